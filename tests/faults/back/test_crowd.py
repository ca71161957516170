"""R05: a whole crowd leaves its idle streams in the same instant; gateway, engine and callers in processes apart."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import profile
from tests.faults.back.book import until
from tests.faults.processes import gateway_program, program
from tests.faults.proof.callers import leave, opened
from tests.faults.report import figure

if TYPE_CHECKING:
    from tests.faults.processes import Program

MANY = profile.count(4000, least=100)
ENDS = {"http": "left", "grpc": "cancelled"}
LONGEST_SECS = 2.0
LONGEST_LAG_SECS = 0.1
STANDING: dict[str, Any] = {
    "worker_defaults": {
        "timeouts": dict.fromkeys(("first_byte_secs", "first_token_secs", "between_chunks_secs", "total_secs"), 600.0),
        "pool": {"max_connections": 8192},
    }
}


async def left(port: int, gateway: Program, backend: Program) -> float:
    """Open the streams, let them stand, and have all callers go; return when they did."""
    callers = await opened(port, [f"held.{number}" for number in range(MANY)], "m")
    await asyncio.sleep(0.5)
    assert backend.ask()["running"] == MANY
    gateway.ask()  # the loop's lag counts from here
    at = time.monotonic()
    leave(callers)
    await until(lambda: not backend.ask()["running"], 30)
    return at


@pytest.mark.parametrize("mode", ENDS, ids=[f"R05-{mode}" for mode in ENDS])
def test_a_crowd_leaves_at_once(mode, record_property):
    """The engine sees every end within 2 s, and the gateway's loop is at no time 100 ms late."""
    with program("tests.faults.proof.backend_process", mode) as backend:
        worker = {"url": backend.ask()["urls"][0], "runtime_type": "sglang"}
        with gateway_program(worker, **STANDING) as gateway:
            at = asyncio.run(left(gateway.ask()["port"], gateway, backend))
            lag_secs, seen = gateway.ask()["lag"]["max"], backend.ask()
            last_secs = max(ended for _, _, _, ended in backend.ask("book held")["book"]) - at
            assert gateway.until(lambda told: not told["in_flight"])

    figure(record_property, "F02", "until the last of a whole crowd's aborts, secs", last_secs, LONGEST_SECS, over=MANY)
    assert seen["ended"] == {f"held {ENDS[mode]}": MANY}
    assert last_secs <= profile.at_most(LONGEST_SECS)
    assert lag_secs <= profile.at_most(LONGEST_LAG_SECS)
