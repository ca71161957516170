"""C08, W12: thousands of streams that stand still cost little memory, little work, and nobody else's time."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.back.book import until
from tests.faults.processes import gateway_program, program
from tests.faults.profile import ALONE, KIB, SIZE, at_most
from tests.faults.proof.backend_process import BEAT_SECS
from tests.faults.proof.callers import at_rate, leave, opened, p99
from tests.faults.report import figure

if TYPE_CHECKING:
    from tests.faults.processes import Program
    from tests.faults.report import Record

pytestmark = pytest.mark.usefixtures("unburdened")

STREAMS = {"short": 100, "scaled": 2_000, "full": 10_000}[SIZE]
FULL = 10_000
GATEWAYS = 2
EACH = STREAMS // GATEWAYS
ASKED = {"short": 50, "scaled": 500, "full": 1_000}[SIZE]
PER_SEC = 50.0
WATCHED_SECS = {"short": 1.0, "scaled": 2 * BEAT_SECS, "full": 4 * BEAT_SECS}[SIZE]
AROUND: dict[str, Any] = {
    "worker_defaults": {
        "timeouts": dict.fromkeys(("first_byte_secs", "first_token_secs", "between_chunks_secs", "total_secs"), 600.0),
        "pool": {"max_connections": 8192},
    }
}


@dataclass
class Seen:
    """What idle streams cost.

    Attributes:
        bytes_each: Memory of the gateway per stream, the connections at both sides of it included.
        core_share: Processor time of all gateways for the heartbeats of 10,000 streams, as a share of one core.
        p99_secs: Of new requests meanwhile.
        left_secs: From the callers' leaving to the last end at the workers, by their book.
    """

    bytes_each: float
    core_share: float
    p99_secs: float
    left_secs: float


def cpu_share(gateways: list[Program], secs: float) -> float:
    """Return what share of a core the gateways use over so long."""
    before: float = sum(gateway.ask()["cpu_secs"] for gateway in gateways)
    time.sleep(secs)
    after: float = sum(gateway.ask()["cpu_secs"] for gateway in gateways)
    return (after - before) / secs


async def held(backends: list[Program], gateways: list[Program], ports: list[int]) -> Seen:
    """Open the streams and look; the callers of this process go on reading while others are asked."""
    aside = asyncio.to_thread
    resting = await aside(cpu_share, gateways, WATCHED_SECS / 2)
    before = [gateway.ask("rest")["rss_bytes"] for gateway in gateways]
    callers = []
    for number, port in enumerate(ports):
        callers += await opened(port, [f"idle.{number}.{n}" for n in range(EACH)], "m")
    grown = sum(gateway.ask("rest")["rss_bytes"] for gateway in gateways) - sum(before)
    beating = await aside(cpu_share, gateways, WATCHED_SECS) - resting
    times = await at_rate(ports[0], [f"plain.{n}" for n in range(ASKED)], PER_SEC, "m")
    assert [backend.ask()["running"] for backend in backends] == [EACH] * GATEWAYS
    leave(callers)
    left = await until(lambda: not sum(backend.ask()["running"] for backend in backends), 30)
    return Seen(grown / STREAMS, beating * FULL / STREAMS, p99([end - due for due, end in times.values()]), left)


def note(record: Record, seen: Seen) -> None:
    """Note every figure."""
    figure(record, "F17", "memory per idle stream, both sides, KiB", seen.bytes_each / KIB, 40, over=STREAMS)
    figure(record, "F17", "p99 of new requests meanwhile in secs", seen.p99_secs, 0.05, over=ASKED)
    if ALONE:
        figure(record, "F17", "heartbeats of 10,000 streams, share of a core", seen.core_share, 0.2, over=STREAMS)


@pytest.mark.timeout({"short": 60, "scaled": 200, "full": 600}[SIZE])
def test_c08_idle_streams_cost_little(record_property):
    """At most 40 KiB each, 50 ms for others at the 99th percentile, a fifth of a core; all end with their callers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as stack:
            process = "tests.faults.proof.backend_process"
            backends = [stack.enter_context(program(process, "http")) for _ in range(GATEWAYS)]
            workers = [{"url": backend.ask()["urls"][0], "runtime_type": "sglang"} for backend in backends]
            gateways = [stack.enter_context(gateway_program(worker, **AROUND)) for worker in workers]
            seen = asyncio.run(held(backends, gateways, [gateway.ask()["port"] for gateway in gateways]))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    note(record_property, seen)
    assert seen.bytes_each <= 40 * KIB
    assert not ALONE or seen.p99_secs <= 0.05
    assert not ALONE or seen.core_share <= 0.2
    assert seen.left_secs <= at_most(5)
