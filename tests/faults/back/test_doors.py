"""U01-U03, U19: HTTP workers that cannot be connected to, or close what the gateway would use again."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.faults import profile
from tests.faults.back.facing import CLOCKS, facing, good
from tests.faults.back.http_backend import Door
from tests.faults.back.verdicts import refused, whole

CONNECT = CLOCKS["connect_secs"]
DOORS = {"U01": Door.REFUSED, "U02": Door.BLACKHOLE, "U03": Door.SHUT}
KINDS = [(case, stream) for case in DOORS for stream in (False, True)]
NAMES = [f"{case}-{'stream' if stream else 'plain'}" for case, stream in KINDS]
LANES = 6
KEEP_ALIVE = profile.secs(1)


@pytest.mark.parametrize(("case", "stream"), KINDS, ids=[f"{name}-pair-http" for name in NAMES])
async def test_another_worker_serves(case, stream):
    """Whoever cannot be connected to costs one retry, and the caller nothing but the wait."""
    async with facing("http", good("http", stream=stream)) as scene:
        shut, open_ = scene.backends
        await shut.door(DOORS[case])
        answers = [await scene.ask(f"r{number}", stream=stream) for number in range(2)]
        for answer in answers:
            whole(answer, stream=stream)
            assert answer.secs <= CONNECT + profile.SLACK_SECS
        assert (len(shut.attempts), len(open_.attempts)) == (0, 2)
        await scene.clean()


@pytest.mark.parametrize(("case", "stream"), KINDS, ids=[f"{name}-alone-http" for name in NAMES])
async def test_nobody_is_left(case, stream):
    """With no other worker the caller is told within 1.5 s: no worker, or one that broke off."""
    async with facing("http", good("http", stream=stream), workers=1) as scene:
        await scene.backends[0].door(DOORS[case])
        answer = await scene.ask(stream=stream)
        refused(answer, 502 if case == "U03" else 503)
        assert answer.secs <= max(1.5, CONNECT + profile.SLACK_SECS)
        assert scene.book.attempts == []
        await scene.clean()


async def test_u19_kept_alive_connections_that_close():
    """A worker that closes idle connections as they are used again costs nobody anything; nothing is sent twice."""
    pool = {"worker_defaults": {"pool": {"idle_timeout_secs": profile.secs(15)}}}
    setup = {"keep_alive_secs": KEEP_ALIVE}
    async with facing("http", good("http", stream=False), workers=LANES, setup=setup, **pool) as scene:
        rng = random.Random(19)

        async def lane(name: str) -> list[int]:
            statuses = []
            for number in range(profile.count(2000, least=120) // LANES):
                statuses.append((await scene.ask(f"{name}.{number}", stream=False)).status)
                await asyncio.sleep(KEEP_ALIVE * rng.uniform(0.9, 1.1))
            return statuses

        told = await asyncio.gather(*[lane(f"l{number}") for number in range(LANES)])
        assert {status for statuses in told for status in statuses} == {200}
        seen = [attempt.request_id for attempt in scene.book.attempts]
        assert len(seen) == len(set(seen)) == sum(map(len, told))
        assert sum(backend.connections for backend in scene.backends) > 2 * LANES
