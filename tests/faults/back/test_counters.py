"""W11: what workers count of requests comes to rest at nothing, however requests and workers end."""

from __future__ import annotations

import asyncio
import functools
import random
from typing import Any

import pytest

from smg.core.words import LifeState
from tests.faults import profile
from tests.faults.back.book import until
from tests.faults.back.facing import be_well, facing, good, ready
from tests.faults.back.steps import Reset, Silence

pytestmark = pytest.mark.paired

LATE_SECS = 0.1 if profile.ALONE else 1.0
"""Of a silent worker; short, so that many requests come to it."""

HURRIED: dict[str, Any] = {
    "timeouts": dict.fromkeys(("first_byte_secs", "first_token_secs", "between_chunks_secs"), LATE_SECS),
    "breaker": {"disabled": True},
    "health": {
        **dict.fromkeys(("check_interval_secs", "retry_interval_secs"), 0.02),
        **dict.fromkeys(("failure_threshold", "success_threshold"), 1),
    },
}


async def flap(scene, backend) -> None:
    """Have one engine say that it is not well until the gateway has heard it, then that it is again."""
    be_well(backend, well=False)
    await until(lambda: scene.workers[scene.backends.index(backend)].life.state is LifeState.UNHEALTHY)
    be_well(backend, well=True)


async def drain(scene, backend) -> None:
    """Take one worker out with what it runs, and register it anew."""
    registry, worker = scene.gateway.registry, scene.workers[scene.backends.index(backend)]
    await registry.remove(worker.id)
    await registry.add(worker.spec, "test")


async def nothing(*_) -> None:
    """Let requests alone do what they do."""


@pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning")  # callers cancelled as they connect
@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_w11_counters_come_to_rest(mode):
    """After requests that end in every way, at workers that flap and drain, none counts any or ever counted less.

    The spread is even then.
    """
    rng, fine = random.Random(11), good(mode, stream=True)
    acts = [(fine,), ((Reset(),), fine), ((Silence(),),)]
    async with facing(mode, fine, workers=4, worker_defaults=HURRIED) as scene:
        workers, many = set(scene.workers), profile.count(100_000, least=200)
        for begun in range(0, many, 20):
            scene.play.acts = rng.choice(acts)
            asked = [asyncio.get_running_loop().create_task(scene.ask(f"r{begun}.{n}", stream=True)) for n in range(20)]
            await asyncio.wait(asked, timeout=rng.choice([0, 0.02]))
            await rng.choice([flap, drain, nothing])(scene, rng.choice(scene.backends))
            workers |= set(scene.gateway.registry.fleet.workers.values())
            assert all(worker.in_flight >= 0 for worker in workers)
            await asyncio.wait(
                asked, timeout=rng.choice([0.02] * 3 + [2 * LATE_SECS])
            )  # the silent are given up, or left
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
            await until(functools.partial(at_rest, scene, workers))
            await ready(scene.gateway, 4)
        assert len(workers) > 4
        await spread_evenly(scene, fine)


def at_rest(scene, workers) -> bool:
    """Whether nothing runs, and no worker, those that left included, counts a request or a token."""
    counts = {(worker.in_flight, worker.tokens_in_flight) for worker in workers}
    return not scene.book.running and counts == {(0, 0)}


async def spread_evenly(scene, script) -> None:
    """Each of four workers gets a quarter of what is asked, within 5 %."""
    scene.play.acts = (script,)
    before = len(scene.book.attempts)
    for number in range(80):
        await scene.ask(f"even{number}", stream=True)
    shares = [sum(one.backend == b.name for one in scene.book.attempts[before:]) for b in scene.backends]
    assert [abs(share - 20) <= 20 * 0.05 for share in shares] == [True] * 4
