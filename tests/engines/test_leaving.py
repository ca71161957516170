"""Whoever leaves frees the real engine, and so does a stop string that the gateway matches."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.e2e.gateways import gateway

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

FREE_SECS = 0.25
LOOK_SECS = 0.01
WAIT_SECS = 10
ENGINES = ["vllm-grpc", "vllm-http", "mlx-grpc"]
CALLERS = 8
# some 480 tokens, half a second at the least: a leaver who was not noticed is seen
LONG = {
    "model": "any",
    "messages": [{"role": "user", "content": "a"}],
    "temperature": 0,
    "max_tokens": 480,
    "ignore_eos": True,
}


async def running(worker) -> int:
    """Return how many requests the engine works on, by its own count."""
    if worker.runtime.value == "mlx":
        return int((await worker.server_info()).get("active_requests", 0))
    return sum(rank.num_running_reqs + rank.num_waiting_reqs for rank in await worker.loads())


async def until(worker, wanted) -> float:
    """Wait until the engine's count is as ``wanted``, and return for how long."""
    began = time.monotonic()
    async with asyncio.timeout(WAIT_SECS):
        while not wanted(await running(worker)):  # noqa: ASYNC110 - a foreign process says no more
            await asyncio.sleep(LOOK_SECS)
    return time.monotonic() - began


@asynccontextmanager
async def behind(engines, kind):
    """Yield the one worker, a session and the URL of a gateway in front of it, whose model is called any."""
    url = await engines(kind)
    alias = {"url": url, "models": [{"id": "tiny", "aliases": ["any"]}]}
    async with gateway([alias]) as front, aiohttp.ClientSession() as session:
        [worker] = front.registry.fleet.workers.values()
        yield worker, session, f"http://127.0.0.1:{front.port}/v1/chat/completions"


@pytest.mark.parametrize("kind", ENGINES)
async def test_leaving_mid_stream(engines, kind):
    """Several callers of streams leave after the first bytes: the engine is idle soon after."""
    async with behind(engines, kind) as (worker, session, url):
        answers = [await session.post(url, json={**LONG, "stream": True}) for _ in range(CALLERS)]
        for answer in answers:
            await answer.content.readany()
        assert await running(worker) > 0
        for answer in answers:
            answer.close()

        assert await until(worker, lambda count: count == 0) < FREE_SECS
        assert worker.in_flight == 0


@pytest.mark.parametrize("kind", ENGINES)
async def test_leaving_a_whole_answer(engines, kind):
    """A caller of an answer that is not streamed leaves while the engine writes it."""
    async with behind(engines, kind) as (worker, session, url):
        call = asyncio.ensure_future(session.post(url, json=LONG))
        await until(worker, lambda count: count > 0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert await until(worker, lambda count: count == 0) < FREE_SECS
        assert worker.in_flight == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", ["vllm-grpc", "mlx-grpc"])
async def test_a_stop_string(engines, kind, stream):
    """The answer's end is the engine's, though one of the engines knows nothing of stop strings."""
    async with behind(engines, kind) as (worker, session, url):
        async with session.post(url, json={**LONG, "stop": ["e", "o", "a", "1"], "stream": stream}) as answer:
            text = await answer.text()

        assert '"finish_reason":"stop"' in text
        assert await until(worker, lambda count: count == 0) < FREE_SECS
