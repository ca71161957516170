"""R01, R02: after many requests and many callers who left, the gateway holds what it held before, and no more."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.back.asking import request
from tests.faults.processes import gateway_program, program
from tests.faults.profile import ALONE, MIB, SIZE
from tests.faults.proof.callers import call, in_lanes, leave, opened
from tests.faults.report import figure

if TYPE_CHECKING:
    from tests.faults.report import Record

pytestmark = [pytest.mark.usefixtures("unburdened"), pytest.mark.beside]

REQUESTS = {"short": 400, "scaled": 20_000, "full": 100_000}[SIZE]
STREAMS = {"short": 100, "scaled": 5_000, "full": 10_000}[SIZE]
WARM_ROUNDS = 3
MEASURED = 9
PERMITS = 64
LANES = 32
AROUND: dict[str, Any] = {
    "limits": {"concurrency": {"limit": PERMITS, "queue_size": 0}},
    "worker_defaults": {
        "breaker": {"disabled": True},
        "pool": {"idle_timeout_secs": 1.0},
        "timeouts": dict.fromkeys(("connect_secs", "first_byte_secs", "first_token_secs", "between_chunks_secs"), 60.0),
    },
}
LEFT_BEHIND = ("never retrieved", "unclosed", "destroyed but", "never awaited")
HELD = ("descriptors", "tasks", "in_flight")


def word(number: int) -> str:
    """Return what a request meets: one in twenty fails, one in ten is large."""
    if number % 20 == 0:
        return "fails"
    return "large" if number % 10 == 5 else "plain"


async def asked(port: int, names: list[str]) -> None:
    """Ask for plain answers over a few connections."""

    async def lane(some: list[str]) -> None:
        caller = await call(port)
        for name in some:
            status = await caller.status(request(name, stream=False))
            assert status == 502 if name.startswith("fails") else 200, (name, status)
        caller.transport.close()

    await in_lanes(names, LANES, lane)


async def cancelled(port: int, names: list[str], rng: random.Random) -> None:
    """Ask for streams, and leave each at a random byte."""

    async def lane(some: list[str]) -> None:
        for name in some:
            caller = await call(port)
            caller.ask(request(name, stream=True), rng.randrange(1, 300))
            await asyncio.wait_for(caller.begun, 30)
            caller.transport.abort()

    await in_lanes(names, LANES, lane)


async def one_round(port: int, number: int, rng: random.Random) -> None:
    """Ask a share of the requests and streams, one kind after the other."""
    await asked(port, [f"{word(n)}.{number}.{n}" for n in range(REQUESTS // MEASURED)])
    await cancelled(port, [f"held.{number}.{n}" for n in range(STREAMS // MEASURED)], rng)


def settled(gateway: Any, backends: Any, before: dict[str, Any]) -> dict[str, Any]:
    """Return what the gateway holds once it is no more than before, or after 15 s."""
    deadline = time.monotonic() + 15
    while True:
        told: dict[str, Any] = gateway.ask("rest")
        if all(told[name] <= before[name] for name in HELD) and not backends.ask()["running"]:
            return told
        if time.monotonic() > deadline:
            return told
        time.sleep(0.1)


async def permits(port: int) -> int:
    """Return how many streams are let in at once."""
    callers = await opened(port, [f"held.last.{n}" for n in range(PERMITS)], "m")
    one_more = await call(port)
    refused = await one_more.status(request("plain.last", stream=False))
    leave([*callers, one_more])
    return PERMITS if refused == 503 else PERMITS + 1


@dataclass
class Seen:
    """What came of a run: ``told`` by the workers' book, ``log`` up to the gateway's end."""

    before: dict[str, Any]
    after: dict[str, Any]
    resident: list[int]
    let_in: int
    told: dict[str, Any]
    log: str

    @property
    def left_behind(self) -> list[str]:
        """Lines of the log that speak of what was not closed or not waited for."""
        return [line for line in self.log.split("\n") if any(word in line for word in LEFT_BEHIND)]

    @property
    def grown(self) -> int:
        """Bytes that memory has grown by since the warm-up."""
        return self.resident[-1] - self.resident[WARM_ROUNDS - 1]

    @property
    def late(self) -> float:
        """What memory has grown by from the middle third to the last, as a share."""
        third = MEASURED // 3
        return sum(self.resident[-third:]) / sum(self.resident[-2 * third : -third]) - 1


def run(mode: str) -> Seen:
    """Put a gateway through all rounds."""
    rng = random.Random(1)
    with ExitStack() as stack:
        backends = stack.enter_context(program("tests.faults.proof.backend_process", mode, mode))
        workers = [{"url": url, "runtime_type": "sglang"} for url in backends.ask()["urls"]]
        gateway = stack.enter_context(gateway_program(*workers, **AROUND))
        port, resident = gateway.ask()["port"], []
        asyncio.run(asked(port, [f"plain.first.{n}" for n in range(LANES)]))
        time.sleep(1.5)  # kept-alive connections go
        before = gateway.ask("rest")
        for number in range(WARM_ROUNDS + MEASURED):
            asyncio.run(one_round(port, number, rng))
            resident.append(settled(gateway, backends, before)["rss_bytes"])
        let_in = asyncio.run(permits(port))
        after, told = settled(gateway, backends, before), backends.ask()
        gateway.end()
        return Seen(before, after, resident, let_in, told, gateway.errors())


def note(record: Record, seen: Seen) -> None:
    """Note every figure."""
    over = seen.told["requests"]
    above = {name: max(0, seen.after[name] - seen.before[name]) for name in HELD}
    counts = {f"{name} above the start": number for name, number in above.items()} | {
        "permits not given back": abs(seen.let_in - PERMITS),
        "attempts still running at workers": seen.told["running"],
        "log lines of things left behind": len(seen.left_behind),
    }
    for what, number in counts.items():
        figure(record, "F03", what, number, 0, over=over)
    figure(record, "F04", "growth of memory after warm-up in MiB", seen.grown / MIB, 16, over=over)
    if SIZE != "short":
        figure(record, "F04", "growth of memory in the last third, share", seen.late, 0.02, over=over)


@pytest.mark.timeout({"short": 60, "scaled": 300, "full": 3600}[SIZE])
@pytest.mark.parametrize("mode", [pytest.param(mode, id=f"R01-{mode}") for mode in ("http", "grpc")])
def test_nothing_stays_behind(mode, record_property):
    """Descriptors, tasks, permits and requests in flight are as at first, memory stands still, the log is silent."""
    seen = run(mode)

    note(record_property, seen)
    cancelled_streams = (WARM_ROUNDS + MEASURED) * (STREAMS // MEASURED) + PERMITS
    assert {name: seen.after[name] for name in HELD if seen.after[name] > seen.before[name]} == {}
    assert (seen.let_in, seen.told["running"]) == (PERMITS, 0)
    assert seen.told["ended"]["held left" if mode == "http" else "held cancelled"] == cancelled_streams
    assert seen.left_behind == []
    assert seen.grown <= 16 * MIB
    assert not ALONE or seen.late <= 0.02
