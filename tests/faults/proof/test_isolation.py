"""B14: a worker that stalls with 1,000 requests waiting does not slow its neighbour.

The neighbour answers in 20 ms and is asked 200 times a second, open loop, by turns with and without the stalled
crowd. What counts is the ratio of its 99th percentiles, the median over the rounds: as callers see the answers, and
as the workers' own book has them begun and ended.
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.faults.back.asking import request
from tests.faults.processes import gateway_program, program
from tests.faults.profile import SIZE
from tests.faults.proof.callers import at_rate, call, leave, p99
from tests.faults.report import figure

pytestmark = pytest.mark.usefixtures("unburdened")

RATE = 200
ROUNDS = {"short": 1, "scaled": 3, "full": 5}[SIZE]
SAMPLES = {"short": 100, "scaled": 1_000, "full": 2_000}[SIZE]
CROWD = {"short": 300, "scaled": 1_000, "full": 1_000}[SIZE]
MOST_RATIO = 1.2
CASES = [(mode, layout) for mode in ("http", "grpc") for layout in ("engines", "ranks")]
PATIENT = {"worker_defaults": {"timeouts": dict.fromkeys(("first_byte_secs", "first_token_secs", "total_secs"), 600.0)}}


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


def sample(backends: Any, port: int, name: str) -> tuple[float, float]:
    """Return the p99 that callers saw, and that of the ends in the workers' book, both from when each was due."""
    names = [f"quick.{name}.{turn}" for turn in range(SAMPLES)]
    times = asyncio.run(at_rate(port, names, RATE, "quick"))
    ended = {each[0]: each[3] for each in backends.ask(f"book quick.{name}.")["book"]}
    assert set(ended) == set(names)
    return p99([end - due for due, end in times.values()]), p99([ended[name] - due for name, (due, _) in times.items()])


def one_round(backends: Any, port: int, number: int) -> list[float]:
    """Return the two ratios of one round, callers' and book's."""
    alone = sample(backends, port, f"alone.{number}")

    async def crowded() -> tuple[float, float]:
        callers = await crowding(port, number)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, lambda: backends.until(lambda told: told["running"] >= CROWD))
        try:
            return await loop.run_in_executor(None, sample, backends, port, f"crowded.{number}")
        finally:
            assert backends.ask()["running"] >= CROWD
            leave(callers)

    with_crowd = asyncio.run(crowded())
    backends.until(lambda told: told["running"] == 0)
    return [crowded / usual for usual, crowded in zip(alone, with_crowd, strict=True)]


@contextmanager
def neighbours(mode: str, layout: str):
    """Run two workers, one of which never answers, behind a gateway."""
    with ExitStack() as stack:
        backends = stack.enter_context(program("tests.faults.proof.backend_process", mode, mode))
        gateway = stack.enter_context(gateway_program(*specs(backends.ask()["urls"], layout), **PATIENT))
        port = gateway.ask()["port"]
        asyncio.run(at_rate(port, [f"quick.warm.{turn}" for turn in range(RATE)], RATE, "quick"))
        yield backends, port


@pytest.mark.timeout({"short": 60, "scaled": 200, "full": 400}[SIZE])
@pytest.mark.parametrize(("mode", "layout"), CASES, ids=[f"B14-{mode}-{layout}" for mode, layout in CASES])
def test_the_neighbour_is_not_slowed(mode, layout, record_property):
    """Every request of the neighbour's is answered; the median ratio of its p99 is at most 1.2."""
    with neighbours(mode, layout) as (backends, port):
        rounds = [one_round(backends, port, number) for number in range(ROUNDS)]
    asked, booked = (statistics.median(ratios) for ratios in zip(*rounds, strict=True))

    if SIZE == "short":
        return
    over = 2 * ROUNDS * SAMPLES
    figure(record_property, "F01", "p99 beside 1,000 stuck / alone, callers' answers", asked, MOST_RATIO, over=over)
    figure(record_property, "F01", "p99 beside 1,000 stuck / alone, workers' book", booked, MOST_RATIO, over=over)
    assert asked <= MOST_RATIO
    assert booked <= MOST_RATIO
