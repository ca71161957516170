"""Engines that wait for nothing, and ways to talk to them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc

from smg.core.words import ConnectionMode, Runtime
from smg.sim import vocabulary
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from smg.sim.template import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

INSTANT = EngineSettings(speed=0)
MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "Tell me about rivers and mountains"}]
PROMPT_IDS = vocabulary.encode(render(MESSAGES))


class Client:
    """Reads whole answers; ``raw`` is the session beneath."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.raw = session

    async def post(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        """Return an answer whose body is read."""
        return await self._whole("POST", path, **options)

    async def get(self, path: str) -> aiohttp.ClientResponse:
        """Return an answer whose body is read."""
        return await self._whole("GET", path)

    async def _whole(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
        async with self.raw.request(method, path, **options) as response:
            await response.read()
            return response


@asynccontextmanager
async def http_engine(runtime: Runtime, settings: EngineSettings = INSTANT) -> AsyncIterator[tuple[SimEngine, Client]]:
    """Run an HTTP engine and a client whose base is its URL."""
    async with (
        SimEngine(ConnectionMode.HTTP, runtime, settings) as engine,
        aiohttp.ClientSession(engine.url) as session,
    ):
        yield engine, Client(session)


@asynccontextmanager
async def grpc_engine(
    runtime: Runtime, stub: Any, settings: EngineSettings = INSTANT
) -> AsyncIterator[tuple[SimEngine, Any]]:
    """Run a gRPC engine and a stub that talks to it."""
    async with (
        SimEngine(ConnectionMode.GRPC, runtime, settings) as engine,
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        yield engine, stub(channel)


async def events(response: aiohttp.ClientResponse) -> list[Any]:
    """Return the JSON of the events of a stream that ends properly."""
    *lines, done = (await response.text()).strip().split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def until(holds: Callable[[], bool], timeout_secs: float = 5.0) -> None:
    """Look again and again until a statement is true; raise TimeoutError if it takes too long."""
    async with asyncio.timeout(timeout_secs):
        while not holds():  # noqa: ASYNC110 - engines tell nobody of these
            await asyncio.sleep(0.001)
