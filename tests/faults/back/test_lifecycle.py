"""W01-W05, W07, W12: workers that come and go under load."""

from __future__ import annotations

import asyncio
import functools
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from smg.core.words import LifeState
from tests.faults import profile
from tests.faults.back.book import until
from tests.faults.back.facing import facing, good, ready
from tests.faults.back.grpc_words import THREE, last
from tests.faults.back.http_backend import HttpBackend
from tests.faults.back.http_words import BEGUN, DONE, EVENTS, LAST, chunk
from tests.faults.back.steps import Gate, Send, Status
from tests.faults.back.verdicts import whole
from tests.faults.vitals import Lag

RUNNING = profile.count(200, least=40)
PATIENT: dict[str, Any] = {
    "worker_defaults": {"timeouts": dict.fromkeys(("first_byte_secs", "first_token_secs", "between_chunks_secs"), 60)}
}
"""The clocks are not what is tried: streams wait for the test."""

QUICK = {"worker_defaults": {"health": {"check_interval_secs": 1.0}}}
BAD_URLS = (
    "worker:8000/path?q=1",
    "http://user:pass@worker:8000",
    "http://worker:8000#part",
    "http://worker:0",
    "http://worker:99999",
    "http://[::1",
    "unix:/run/engine.sock",
    "ftp://worker:8000",
    "http://",
    "http://wörker:8000",
    "http://worker.:8000",
    "grpc://worker.example.:8000",
    "http://127.0.0.1.:8000",
    "http://worker:8000\r\nX: y",
    "",
)


def gated(mode: str, event: asyncio.Event):
    """Return the script of a stream that stops in its middle."""
    if mode == "grpc":
        return (THREE[0], Gate(event), *THREE[1:], last(stream=True), Status(0, ""))
    rest = b"".join(map(chunk, (EVENTS[2], LAST, DONE))) + b"0\r\n\r\n"
    return (Send(BEGUN), Gate(event), Send(rest))


class Load:
    """Asks on and on until told to stop; keeps every status."""

    def __init__(self, scene, lanes: int = 4) -> None:
        self.statuses: list[int] = []
        self._scene, self._lanes, self._on = scene, lanes, True

    async def __aenter__(self):
        """Begin."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._lane(number)) for number in range(self._lanes)]
        return self

    async def __aexit__(self, *_):
        """Let the last answers come."""
        self._on = False
        await asyncio.gather(*self._tasks)

    async def _lane(self, lane: int) -> None:
        number = 0
        while self._on:
            number += 1
            self.statuses.append((await self._scene.ask(f"load{lane}.{number}", stream=False)).status)
            await asyncio.sleep(0.01)


async def test_w01_add_under_load():
    """Workers added one by one cost nobody anything, and each serves within 2 s of being added."""
    async with facing("http", good("http", stream=False), workers=1) as scene, AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with Load(scene) as load:
            for number in range(profile.count(100, least=5)):
                added = await stack.enter_async_context(HttpBackend(f"new{number}", scene.book, scene.play))
                async with session.post(f"http://127.0.0.1:{scene.port}/workers", json={"url": added.url}) as told:
                    assert told.status in {200, 201, 202}
                await until(functools.partial(getattr, added, "attempts"), 2 + profile.SLACK_SECS)
        assert set(load.statuses) == {200}


@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_w02_remove_one_of_four(mode):
    """A removed worker's streams finish whole, it gets nothing new, and it is gone once the last has ended."""
    go_on = asyncio.Event()
    async with facing(mode, gated(mode, go_on), workers=4, **PATIENT) as scene:
        running = asyncio.gather(*[scene.ask(f"old{number}", stream=True) for number in range(RUNNING)])
        await until(lambda: len(scene.book.attempts) == RUNNING)
        leaving, worker = scene.backends[0], scene.workers[0]
        had = len(leaving.attempts)
        removal = asyncio.get_running_loop().create_task(scene.gateway.registry.remove(worker.id))
        await until(lambda: worker.life.state is not LifeState.READY)
        for backend in scene.backends:
            backend.script = good(mode, stream=True)
        for number in range(20):
            whole(await scene.ask(f"new{number}", stream=True), stream=True)
        assert (len(leaving.attempts), worker.in_flight) == (had, had)
        go_on.set()
        for answer in await running:
            whole(answer, stream=True)
        await removal
        await until(lambda: worker.id not in scene.gateway.registry.fleet.workers)


@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_w03_remove_the_last(mode):
    """With the last worker going, what runs finishes and what comes is refused at once; added again, it serves."""
    go_on = asyncio.Event()
    async with facing(mode, gated(mode, go_on), workers=1) as scene:
        running = asyncio.gather(*[scene.ask(f"old{number}", stream=True) for number in range(10)])
        await until(lambda: len(scene.book.attempts) == 10)
        worker, registry = scene.workers[0], scene.gateway.registry
        removal = asyncio.get_running_loop().create_task(registry.remove(worker.id))
        await until(lambda: worker.life.state is not LifeState.READY)
        refusal = await scene.ask("new", stream=True)
        assert (refusal.status, refusal.secs < profile.at_most(0.5)) == (503, True)
        go_on.set()
        for answer in await running:
            whole(answer, stream=True)
        await removal
        scene.backends[0].script = good(mode, stream=True)
        await registry.add(worker.spec, "test")
        await ready(scene.gateway, 1, 2 + profile.SLACK_SECS)
        whole(await scene.ask("again", stream=True), stream=True)


def staying(registry):
    """Return the workers that are not on their way out."""
    return [one for one in registry.fleet.workers.values() if one.life.state is not LifeState.DRAINING]


async def test_w04_remove_and_add_again():
    """The same address removed and added time and again is one worker, whose counters know only its own life."""
    async with facing("http", good("http", stream=False), workers=1) as scene:
        registry, spec = scene.gateway.registry, scene.workers[0].spec
        async with Load(scene):
            for _ in range(profile.count(500, least=20)):
                (worker,) = staying(registry)
                await registry.remove(worker.id)
                await registry.add(spec, "test")
                assert len(staying(registry)) == 1
                await ready(scene.gateway, 1)
                assert all(one.in_flight >= 0 for one in registry.fleet.workers.values())
        await until(lambda: len(registry.fleet.workers) == 1)
        await scene.clean()
        whole(await scene.ask("last", stream=False), stream=False)


@pytest.mark.parametrize("url", BAD_URLS, ids=[f"W07-{number}" for number in range(len(BAD_URLS))])
async def test_bad_addresses(url):
    """A worker whose URL is none is refused with a reason, and nothing is stored."""
    async with facing("http", (), workers=1) as scene, aiohttp.ClientSession() as session:
        before = dict(scene.gateway.registry.fleet.workers)
        async with session.post(f"http://127.0.0.1:{scene.port}/workers", json={"url": url}) as told:
            assert told.status == 400
            assert (await told.json())["error"]["message"]
        assert scene.gateway.registry.fleet.workers == before


IDLE = min(4_000, profile.count(10_000, least=200))
"""Streams through one process, of which each takes four of its descriptors; 10,000 of several are another test's."""

ROOMY = {"worker_defaults": {"pool": {"max_connections": 2048}, "timeouts": {"connect_secs": 30}}}


@pytest.mark.usefixtures("unburdened")
async def test_w12_drain_half_under_idle_streams():
    """Draining half the fleet under idle streams is answered within 1 s, and nothing of it holds up the loop."""
    go_on = asyncio.Event()
    async with (
        facing("http", gated("http", go_on), workers=4, **profile.merged(PATIENT, ROOMY)) as scene,
        aiohttp.ClientSession() as session,
    ):
        running = await idle_streams(scene)
        leaving, lag, fleet = scene.workers[:2], Lag(), f"http://127.0.0.1:{scene.port}/workers"
        assert sum(worker.in_flight for worker in leaving) >= IDLE * 0.4
        told = [await admin(session, "DELETE", f"{fleet}/{worker.id}") for worker in leaving]
        told += [await admin(session, "GET", fleet) for _ in range(20)]
        assert [status for status, _, _ in told] == [202] * 2 + [200] * 20
        assert max(secs for _, _, secs in told) <= profile.at_most(1)
        assert max(size for _, size, _ in told) <= 64 * profile.KIB
        await asyncio.sleep(profile.secs(5))  # the drain goes on meanwhile: health is asked, nothing ends
        assert [worker.life.state for worker in leaving] == [LifeState.DRAINING] * 2
        assert lag.taken()["max"] <= profile.at_most(0.05)
        go_on.set()
        assert all(answer.whole for answer in await asyncio.gather(*running))
        await until(lambda: len(scene.gateway.registry.fleet.workers) == 2)


async def idle_streams(scene) -> list[asyncio.Task[Any]]:
    """Open so many streams, a few at a time, and wait until their callers have all that there is yet."""
    running: list[asyncio.Task[Any]] = []
    for number in range(IDLE):
        asked = scene.ask(f"r{number}", stream=True, within_secs=600)
        running.append(asyncio.get_running_loop().create_task(asked))
        if number % 50 == 0:
            await until(functools.partial(begun, scene, number + 1))
    await until(functools.partial(begun, scene, IDLE))
    await until(lambda: all(attempt.sent for attempt in scene.book.attempts))
    await asyncio.sleep(0.5)
    return running


def begun(scene, many: int) -> bool:
    """Whether so many attempts have."""
    return len(scene.book.attempts) == many


async def admin(session: aiohttp.ClientSession, method: str, url: str) -> tuple[int, int, float]:
    """Ask the admin API; return the status, the size of the answer, and how long it took."""
    begun = time.monotonic()
    async with session.request(method, url) as told:
        size = len(await told.read())
    return told.status, size, time.monotonic() - begun
