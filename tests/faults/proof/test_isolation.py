"""B14: a worker that stalls with 1,000 requests waiting does not slow its neighbour.

The stalled worker takes 100 requests at once: over HTTP its pool has so many connections, over gRPC its connection so
many streams. The other 900 wait in the gateway for what belongs to that worker, and whoever shares it waits with them.
The neighbour answers in 20 ms and is asked 200 times a second, open loop, by turns with and without the stalled
crowd. What counts is the median over the rounds of its 99th percentile beside the crowd, over that alone: as callers
see the answers, and as the workers' own book has them ended. On a shared machine the ratio of a single round is
anything from a half to two, without any crowd, too, so the rounds are many and short; what is shared among workers
shows as a ratio of tens in each.
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.back.asking import request
from tests.faults.processes import gateway_program, program
from tests.faults.profile import SIZE
from tests.faults.proof.callers import at_rate, call, leave, p99
from tests.faults.report import figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.processes import Program

pytestmark = pytest.mark.usefixtures("unburdened")

RATE = 200
ROUNDS = 1 if SIZE == "short" else 12
SAMPLES = {"short": 100, "scaled": 400, "full": 1_000}[SIZE]
CROWD = {"short": 300, "scaled": 1_000, "full": 1_000}[SIZE]
AT_ONCE = 100
MOST_RATIO = 1.2
CASES = [(mode, layout) for mode in ("http", "grpc") for layout in ("engines", "ranks")]
CLOCKS = ("connect_secs", "first_byte_secs", "first_token_secs", "total_secs")
AROUND = {
    "worker_defaults": {
        "pool": {"max_connections": AT_ONCE, "idle_timeout_secs": 0.0},
        "timeouts": dict.fromkeys(CLOCKS, 600.0),
    },
}
"""Requests wait for a connection as long as the connect clock lets them, and each needs a new one: over one that was
kept, the neighbour's would come through even where both workers shared a full pool."""


def specs(urls: list[str], layout: str) -> list[dict[str, Any]]:
    """Return the stalled and the quick worker: two engines, or two ranks behind one address."""
    stalled, quick = (f"{urls[0]}@0", f"{urls[0]}@1") if layout == "ranks" else urls
    return [
        {"url": stalled, "models": [{"id": "m", "aliases": ["stuck"]}], "runtime_type": "sglang"},
        {"url": quick, "models": [{"id": "m", "aliases": ["quick"]}], "runtime_type": "sglang"},
    ]


async def crowding(port: int, number: int) -> list[Any]:
    """Have a crowd ask what is never answered."""
    callers = [await call(port) for _ in range(CROWD)]
    for turn, caller in enumerate(callers):
        caller.ask(request(f"stuck.{number}.{turn}", stream=False, model="stuck"))
    return callers


@dataclass(frozen=True)
class Neighbours:
    """Two workers, one of which never answers, behind a gateway.

    Attributes:
        resting: Tasks of the gateway when nobody asks.
    """

    backends: Program
    gateway: Program
    port: int
    resting: int

    def sample(self, name: str) -> list[float]:
        """Return the p99 that callers saw, and that of the ends in the workers' book, both from when each was due."""
        names = [f"quick.{name}.{turn}" for turn in range(SAMPLES)]
        times = asyncio.run(at_rate(self.port, names, RATE, "quick"))
        ended = {each[0]: each[3] for each in self.backends.ask(f"book quick.{name}.")["book"]}
        assert set(ended) == set(names)
        return [p99([at[name] - times[name][0] for name in names]) for at in (answered(times), ended)]

    def one_round(self, number: int) -> tuple[list[float], list[float]]:
        """Return the samples of one round, alone and beside a crowd."""
        alone = self.sample(f"alone.{number}")
        crowded = asyncio.run(self.crowded(number))
        self.come_to_rest()
        return alone, crowded

    def come_to_rest(self) -> None:
        """Wait until the last crowd is gone: engines being told of its end would count against the next round."""
        self.backends.until(lambda told: told["running"] == 0)
        self.gateway.until(lambda told: (told["in_flight"], told["tasks"]) <= (0, self.resting))

    async def crowded(self, number: int) -> list[float]:
        """Sample beside a crowd, most of which waits from before the first request until after the last."""
        callers = await crowding(self.port, number)
        try:
            await asyncio.to_thread(self.gateway.until, lambda told: told["in_flight"] == CROWD)
            await asyncio.to_thread(self.backends.until, lambda told: told["running"] == AT_ONCE)
            return await asyncio.to_thread(self.sample, f"crowded.{number}")
        finally:
            assert (self.gateway.ask()["in_flight"], self.backends.ask()["running"]) == (CROWD, AT_ONCE)
            leave(callers)


def medians(samples: tuple[list[float], ...]) -> list[float]:
    """Return the median over the rounds of each number of a sample."""
    return [statistics.median(numbers) for numbers in zip(*samples, strict=True)]


def answered(times: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Return when each answer was there."""
    return {name: end for name, (_, end) in times.items()}


@contextmanager
def neighbours(mode: str, layout: str) -> Iterator[Neighbours]:
    """Run them, warm."""
    engine = {"http": "http", "grpc": f"grpc:{AT_ONCE}"}[mode]
    with ExitStack() as stack:
        backends = stack.enter_context(program("tests.faults.proof.backend_process", engine, engine))
        gateway = stack.enter_context(gateway_program(*specs(backends.ask()["urls"], layout), **AROUND))
        port, resting = gateway.ask()["port"], gateway.ask()["tasks"]
        asyncio.run(at_rate(port, [f"quick.warm.{turn}" for turn in range(RATE)], RATE, "quick"))
        yield Neighbours(backends, gateway, port, resting)


@pytest.mark.timeout({"short": 60, "scaled": 200, "full": 400}[SIZE])
@pytest.mark.parametrize(("mode", "layout"), CASES, ids=[f"B14-{mode}-{layout}" for mode, layout in CASES])
def test_the_neighbour_is_not_slowed(mode, layout, record_property):
    """Every request of the neighbour's is answered; its p99 is at most 1.2 of what it is alone."""
    with neighbours(mode, layout) as pair:
        rounds = [pair.one_round(number) for number in range(ROUNDS)]
    alone, crowded = (medians(samples) for samples in zip(*rounds, strict=True))
    asked, booked = (beside / usual for usual, beside in zip(alone, crowded, strict=True))

    if SIZE == "short":
        return
    over = 2 * ROUNDS * SAMPLES
    figure(record_property, "F01", "p99 beside 1,000 stuck / alone, callers' answers", asked, MOST_RATIO, over=over)
    figure(record_property, "F01", "p99 beside 1,000 stuck / alone, workers' book", booked, MOST_RATIO, over=over)
    assert asked <= MOST_RATIO, rounds
    assert booked <= MOST_RATIO, rounds
