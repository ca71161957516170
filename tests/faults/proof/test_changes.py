"""W01-W05: workers are added, removed (which drains them) and replaced under load, and no stream is cut."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from smg.core.words import LifeState
from tests.faults.back.book import until
from tests.faults.back.facing import facing
from tests.faults.back.grpc_backend import GrpcBackend
from tests.faults.back.grpc_words import THREE, last
from tests.faults.back.http_backend import HttpBackend
from tests.faults.back.http_words import BEGUN, DONE, EVENTS, LAST, chunk
from tests.faults.back.steps import Send, Status, Wait
from tests.faults.profile import SIZE
from tests.faults.proof.callers import in_lanes
from tests.faults.report import figure

pytestmark = [pytest.mark.usefixtures("unburdened"), pytest.mark.paired]

ACTIONS = {"short": 12, "scaled": 100, "full": 1_000}[SIZE]
STREAMS = {"short": 200, "scaled": 2_000, "full": 20_000}[SIZE]
"""At least so many of each mode; the load ends with the last action."""
LANES = 40
MOST_WORKERS = 6
HALF = Wait(0.1)
SCRIPTS = {
    "http": (Send(BEGUN), HALF, Send(b"".join(map(chunk, (EVENTS[2], LAST, DONE))) + b"0\r\n\r\n")),
    "grpc": (*THREE[:2], HALF, *THREE[2:], last(stream=True), Status(0, "")),
}


PATIENT: dict[str, Any] = {
    "worker_defaults": {"timeouts": dict.fromkeys(("first_byte_secs", "first_token_secs", "between_chunks_secs"), 20)}
}
"""A machine that stands still for a moment is no change of the fleet."""


class Fleet:
    """An administrator, who knows the backends that are not registered.

    Attributes:
        done: Actions so far.
    """

    def __init__(self, scene: Any, session: aiohttp.ClientSession, idle: list[Any]) -> None:
        self._scene, self._session, self._idle = scene, session, idle
        self.rng = random.Random(21)
        self.done = 0

    async def act(self) -> None:
        """Add, remove or replace a worker; never are fewer than two left to serve."""
        ready = [
            one for one in self._scene.gateway.registry.fleet.workers.values() if one.life.state is LifeState.READY
        ]
        action = self.rng.choice(["add"] * bool(self._idle) + ["remove", "replace"] * (len(ready) > 2))
        if action == "add":
            await self._ask("POST", "", {"url": self._idle.pop().url, "runtime_type": "sglang"})
        else:
            await self._end(self.rng.choice(ready), again=action == "replace")
        self.done += 1

    async def _end(self, worker: Any, *, again: bool) -> None:
        spec = {"url": worker.base_url, "runtime_type": "sglang"}
        if again:
            await self._ask("PUT", f"/{worker.id}", spec)
        else:
            await self._ask("DELETE", f"/{worker.id}")
            self._idle.append(next(one for one in self._scene.backends if one.url == worker.base_url))

    async def _ask(self, method: str, path: str, body: Any = None) -> None:
        url = f"http://127.0.0.1:{self._scene.port}/workers{path}"
        async with self._session.request(method, url, json=body) as told:
            assert told.status == 202, await told.text()


@pytest.mark.timeout({"short": 60, "scaled": 120, "full": 3600}[SIZE])
@pytest.mark.parametrize("mode", [pytest.param(mode, id=f"W02-{mode}") for mode in ("http", "grpc")])
async def test_no_stream_is_cut_by_changes(mode, record_property):
    """Every stream comes whole while the fleet changes around it."""
    ends: list[tuple[int, bool]] = []
    async with facing(mode, SCRIPTS[mode], workers=3, **PATIENT) as scene, AsyncExitStack() as stack:
        kind = GrpcBackend if mode == "grpc" else HttpBackend
        more = [kind(f"more{number}", scene.book, scene.play) for number in range(MOST_WORKERS - 3)]
        scene.backends += [await stack.enter_async_context(backend) for backend in more]
        fleet = Fleet(scene, await stack.enter_async_context(aiohttp.ClientSession()), list(more))

        async def lane(names: list[str]) -> None:
            turn = 0
            while fleet.done < ACTIONS or turn < len(names):
                answer = await scene.ask(f"{names[turn % len(names)]}.{turn}", stream=True)
                ends.append((answer.status, answer.whole and not answer.errors and answer.done == 1))
                turn += 1

        load = asyncio.get_running_loop().create_task(in_lanes([f"r{n}" for n in range(STREAMS)], LANES, lane))
        while fleet.done < ACTIONS:
            await fleet.act()
            await until(lambda: load.done() or len(ends) >= fleet.done * (STREAMS // ACTIONS), 20)
        await load
        await scene.clean()

    cut = sum(not whole for status, whole in ends if status == 200)
    figure(record_property, "F21", "streams cut by changes of the fleet", cut, 0, over=len(ends))
    assert len(ends) >= STREAMS
    assert {status for status, _ in ends} == {200}
    assert cut == 0
