"""A gateway in this process with simulated engines behind it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI

from smg.core.words import LifeState
from smg.server.lifecycle import Gateway
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from tests.e2e.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from smg.core.words import ConnectionMode, Runtime

INSTANT = EngineSettings(model="sim", speed=0, context_length=4096)


@asynccontextmanager
async def engines(
    *kinds: tuple[ConnectionMode, Runtime], engine: EngineSettings = INSTANT
) -> AsyncIterator[list[SimEngine]]:
    """Run one simulated engine per kind."""
    async with AsyncExitStack() as running:
        yield [await running.enter_async_context(SimEngine(mode, runtime, engine)) for mode, runtime in kinds]


@asynccontextmanager
async def gateway(workers: Sequence[str | dict[str, Any]] = (), **changes: Any) -> AsyncIterator[Gateway]:
    """Run a gateway on a free port over these workers (URLs or specs) and wait until all are ready."""
    async with Gateway(settings(workers, **changes)) as running:
        await until_ready(running, len(workers))
        yield running


async def until_ready(running: Gateway, count: int) -> None:
    """Wait until so many workers are ready, 20 s at most."""
    async with asyncio.timeout(20):
        while sum(worker.life.state is LifeState.READY for worker in running.registry.fleet.workers.values()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def client(running: Gateway, **options: Any) -> AsyncIterator[AsyncOpenAI]:
    """Yield the official SDK's client for a gateway; it makes no retries of its own."""
    url = f"http://127.0.0.1:{running.port}/v1"
    async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=0, timeout=30, **options) as sdk:
        yield sdk
