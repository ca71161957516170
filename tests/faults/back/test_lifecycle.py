"""W01-W05, W07, W11, W12: workers that come and go under load."""

from __future__ import annotations

import asyncio
import functools
import random
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
from tests.faults.back.steps import Gate, Reset, Send, Silence, Status
from tests.faults.back.verdicts import whole

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


@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_w11_counters_come_to_rest(mode):
    """After requests that end in every way no worker counts any, none ever counted less, and the spread is even."""
    rng = random.Random(11)
    breaker = profile.merged(PATIENT, {"worker_defaults": {"breaker": {"disabled": True}}})
    async with facing(mode, good(mode, stream=True), workers=4, **breaker) as scene:
        workers, many = scene.workers, profile.count(100_000, least=200)
        for begun in range(0, many, 20):
            scene.play.acts = rng.choice(
                [(good(mode, stream=True),), ((Reset(),), good(mode, stream=True)), ((Silence(),),)]
            )
            asked = [asyncio.get_running_loop().create_task(scene.ask(f"r{begun}.{n}", stream=True)) for n in range(20)]
            await asyncio.wait(asked, timeout=0.05)
            assert all(worker.in_flight >= 0 for worker in workers)
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
            await scene.clean()
        assert [worker.tokens_in_flight for worker in workers] == [0] * 4
        scene.play.acts = (good(mode, stream=True),)
        before = len(scene.book.attempts)
        for number in range(80):
            await scene.ask(f"even{number}", stream=True)
        shares = [sum(one.backend == b.name for one in scene.book.attempts[before:]) for b in scene.backends]
        assert max(shares) - min(shares) <= 80 / 4 * 0.05 * 2


@pytest.mark.usefixtures("unburdened")
async def test_w12_drain_half_under_idle_streams():
    """Draining half the fleet under idle streams answers within 1 s and does not hold up the loop."""
    many, go_on, lags = profile.count(10_000, least=200), asyncio.Event(), []
    async with facing("http", gated("http", go_on), workers=4, **PATIENT) as scene:
        running = asyncio.gather(*[scene.ask(f"r{number}", stream=True) for number in range(many)])
        await until(lambda: len(scene.book.attempts) >= many, 20)
        leaving, registry = scene.workers[:2], scene.gateway.registry
        begun = time.monotonic()
        removals = asyncio.gather(*[registry.remove(worker.id) for worker in leaving])
        while any(worker.life.state is LifeState.READY for worker in leaving):
            before = time.monotonic()
            await asyncio.sleep(0.005)
            lags.append(time.monotonic() - before - 0.005)
        assert time.monotonic() - begun <= profile.at_most(1)
        assert max(lags, default=0) <= profile.at_most(0.05)
        go_on.set()
        assert all(answer.whole for answer in await running)
        await removals
        await until(lambda: len(registry.fleet.workers) == 2)
