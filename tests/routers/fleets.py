"""Real workers in front of real in-process backends, and the attempt loop over them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from smg.core.clock import MonotonicClock
from smg.core.request import InferenceRequest, Trail
from smg.core.words import Endpoint, LifeState, WorkerId
from smg.policies.table import PolicyTable
from smg.resilience.budget import RetryBudget
from smg.resilience.settings import BudgetSettings
from smg.routers.attempt import Surroundings
from smg.routers.attempts import Attempts
from smg.routers.http_router import HttpRouter
from smg.routers.settings import StreamSettings
from smg.workers.fleet import assemble
from smg.workers.settings import RetrySettings
from smg.workers.spec import read_spec
from tests.workers.support import QUICK, Recorder, factory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from smg.core.request import RawHeaders
    from smg.workers.fleet import Fleet
    from smg.workers.settings import WorkerDefaults
    from smg.workers.worker import Worker

    Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

FIRST, SECOND = b'{"n":1}', b'{"n":2}'
"""Answers to be told apart."""


class Fleetful:
    """A fleet of HTTP workers, the attempt loop over it, and what was observed."""

    def __init__(self, workers: list[Worker], *, gateway_auth: bool = False) -> None:
        self.workers = workers
        self.observer = Recorder()
        self.waits: list[float] = []
        around = Surroundings(MonotonicClock(), self.observer, Random(1), self._sleep)
        router = HttpRouter(self.fleet, StreamSettings(max_event_bytes=1 << 16), gateway_auth=gateway_auth)
        budget = RetryBudget(BudgetSettings(), MonotonicClock())
        policies = PolicyTable("passthrough", Random(1))
        self.attempts = Attempts([router], policies, budget, around, undiscovered=self._undiscovered)

    def fleet(self) -> Fleet:
        """Return the fleet as it is now."""
        return assemble({worker.id: worker for worker in self.workers})

    def _undiscovered(self) -> bool:
        return self.fleet().undiscovered

    async def _sleep(self, secs: float) -> None:
        self.waits.append(secs)


@asynccontextmanager
async def fleet_of(
    *handles: Handle, retry: RetrySettings | None = None, api_key: str | None = None, gateway_auth: bool = False
) -> AsyncIterator[Fleetful]:
    """Start one backend per handler and a ready worker ``w0``, ``w1`` … in front of each."""
    async with AsyncExitStack() as stack:
        defaults = msgspec.structs.replace(QUICK, retry=retry or RetrySettings(), api_key=api_key)
        workers = [await _worker(stack, f"w{n}", handle, defaults) for n, handle in enumerate(handles)]
        yield Fleetful(workers, gateway_auth=gateway_auth)


async def _worker(stack: AsyncExitStack, name: str, handle: Handle, defaults: WorkerDefaults) -> Worker:
    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    spec = read_spec({"url": f"http://127.0.0.1:{runner.addresses[0][1]}", "models": [{"id": "tiny"}]})
    worker = factory(defaults).build(spec, WorkerId(name), "test")
    await worker.start()
    stack.push_async_callback(worker.aclose)
    worker.move(LifeState.READY, "well")
    return worker


def inference(
    body: bytes = b'{"model":"tiny"}', *, stream: bool = False, model: str = "tiny", headers: RawHeaders = ()
) -> InferenceRequest:
    """Return a chat request as the front hands it to the loop."""
    return InferenceRequest(
        id="r1",
        endpoint=Endpoint.CHAT,
        path="/v1/chat/completions",
        headers=((b"content-type", b"application/json"), *headers),
        body=body,
        model=model,
        stream=stream,
        tokens=4,
        began_at=time.monotonic(),
        trail=Trail(),
    )


def answering(
    status: int = 200,
    body: bytes = b'{"ok":true}',
    seen: list[str] | None = None,
    headers: dict[str, str] | None = None,
) -> Handle:
    """Answer every request alike, noting each in ``seen``."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        if seen is not None:
            seen.append(request.headers.get("x-request-id", ""))
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    return handle


def breaking(sent: bytes, *, announce: int | None = None) -> Handle:
    """Send a head and ``sent``, then cut the connection."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        if announce is not None:
            response.content_length = announce
        await response.prepare(request)
        if sent:
            await response.write(sent)
        await asyncio.sleep(0)
        assert request.transport is not None
        request.transport.abort()
        return response

    return handle
