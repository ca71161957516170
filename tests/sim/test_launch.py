"""Several engines in one process."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from smg.core.words import ConnectionMode, Runtime
from smg.sim.launch import EnginePlan, engines, serve_engines
from smg.sim.settings import EngineSettings


async def test_engines_are_told_once_they_listen() -> None:
    """All URLs are told together, each answers, and cancelling ends them all."""
    told: asyncio.Queue[list[str]] = asyncio.Queue()
    plan = EnginePlan(mode=ConnectionMode.HTTP, runtime=Runtime.VLLM, count=2)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve_engines(plan, EngineSettings(), lambda urls: told.put_nowait(list(urls))))
        urls = await asyncio.wait_for(told.get(), 5)
        async with aiohttp.ClientSession() as session:
            for url in urls:
                async with session.get(f"{url}/health") as response:
                    assert response.status == 200
        task.cancel()

    assert len(set(urls)) == 2
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(urls[0].rpartition(":")[2]))


@pytest.mark.parametrize("mode", list(ConnectionMode))
async def test_taken_port_is_an_error(mode) -> None:
    """A second engine on the same port does not start."""
    async with engines(EnginePlan(mode=mode), EngineSettings()) as (first,):
        with pytest.raises((OSError, RuntimeError)):
            async with engines(EnginePlan(mode=mode, port=first.port), EngineSettings()):
                pass
