"""A whole gateway on free ports before simulated engines, and questions to it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from smg.core.words import ConnectionMode, Runtime
from smg.server.lifecycle import Gateway
from smg.server.schema import Settings
from smg.server.settings import MetricsSettings, ServerSettings
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from smg.workers.settings import HealthSettings, WorkerDefaults
from smg.workers.spec import WorkerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HTTP = (ConnectionMode.HTTP, Runtime.SGLANG)
GRPC = (ConnectionMode.GRPC, Runtime.SGLANG)
QUICK = HealthSettings(check_interval_secs=0.1, retry_interval_secs=0.05, drain_secs=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """A gateway, its engines and a session."""

    gateway: Gateway
    engines: tuple[SimEngine, ...]
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Return status, fields and the decoded JSON of one answer."""
        async with self.session.request(method, f"{self.url}{path}", **options) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def until_ready(self, workers: int) -> None:
        """Wait until that many workers take requests."""
        async with asyncio.timeout(20):
            while (await self.ask("GET", "/readiness"))[2]["healthy_workers"] < workers:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def gateway(
    *kinds: tuple[ConnectionMode, Runtime], engine: EngineSettings | None = None, **server: Any
) -> AsyncIterator[Asked]:
    """Run a gateway before one engine per kind, all ready."""
    settings = engine or EngineSettings(model="sim", speed=0)
    async with AsyncExitStack() as stack:
        engines = tuple([await stack.enter_async_context(SimEngine(*kind, settings)) for kind in kinds])
        tree = Settings(
            server=ServerSettings(host="127.0.0.1", port=0, **server),
            metrics=MetricsSettings(host="127.0.0.1", port=0),
            worker_defaults=WorkerDefaults(health=QUICK),
            workers=tuple(WorkerSpec(url=one.url) for one in engines),
        )
        served = await stack.enter_async_context(Gateway(tree))
        asked = Asked(served, engines, await stack.enter_async_context(aiohttp.ClientSession()))
        await asked.until_ready(len(engines))
        yield asked
