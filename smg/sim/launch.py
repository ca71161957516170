"""Several engines in one process, for the command line."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.core.words import ConnectionMode, Runtime
from smg.sim.engine import SimEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from smg.sim.settings import EngineSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """Which engines to run.

    Attributes:
        port: Of the first, the others follow; 0 takes free ones.
    """

    mode: ConnectionMode = ConnectionMode.HTTP
    runtime: Runtime = Runtime.SGLANG
    count: int = 1
    port: int = 0
    host: str = "127.0.0.1"


@asynccontextmanager
async def engines(plan: EnginePlan, settings: EngineSettings) -> AsyncIterator[tuple[SimEngine, ...]]:
    """Run engines for the length of the block. Raises OSError or RuntimeError for a taken port."""
    async with AsyncExitStack() as running:
        started = []
        for number in range(plan.count):
            port = plan.port + number if plan.port else 0
            engine = SimEngine(plan.mode, plan.runtime, settings, host=plan.host, port=port)
            started.append(await running.enter_async_context(engine))
        yield tuple(started)


async def serve_engines(plan: EnginePlan, settings: EngineSettings, ready: Callable[[Sequence[str]], None]) -> None:
    """Run engines until cancelled; ``ready`` is told their URLs once all listen. Raises as ``engines`` does."""
    async with engines(plan, settings) as running:
        ready([engine.url for engine in running])
        await asyncio.Event().wait()
