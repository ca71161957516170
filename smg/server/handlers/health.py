"""Probes of the gateway, and facts that one engine tells for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.core.errors import NoWorkerError, UpstreamError
from smg.core.request import reply
from smg.core.words import WorkerType
from smg.server.handlers.answers import send_json
from smg.server.handlers.fan_out import ask_one
from smg.server.handlers.masking import masked
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smg.core.request import Request, Sink
    from smg.workers.fleet import Fleet
    from smg.workers.worker import Worker

TEXT = ((b"content-type", b"text/plain; charset=utf-8"),)
INFO_SECS = 10.0
GENERATE_SECS = 60.0
RETRY_AFTER_SECS = 1.0


class HealthHandlers:
    """Answers whether the gateway lives, whether it can serve, and what it serves with."""

    def __init__(self, fleet: Callable[[], Fleet], draining: Callable[[], bool]) -> None:
        self._fleet = fleet
        self._draining = draining

    async def alive(self, _request: Request, sink: Sink) -> None:
        """Answer OK: the event loop runs."""
        reply(sink, 200, b"OK", TEXT)

    async def ready(self, _request: Request, sink: Sink) -> None:
        """Answer 200 while at least one regular worker takes requests and the gateway is not stopping."""
        workers = self._fleet().workers.values()
        counts = {"healthy_workers": sum(worker.available for worker in workers), "total_workers": len(workers)}
        if reason := self._unready():
            send_json(sink, {"status": "not ready", "reason": reason, **counts}, status=503)
        else:
            send_json(sink, {"status": "ready", **counts})

    async def generate(self, request: Request, sink: Sink) -> None:
        """Let an engine generate a token; answers 200 once one has."""
        await self._first(request, lambda worker: worker.health_generate(), GENERATE_SECS)
        send_json(sink, {"status": "ok", "worker_id": request.trail.worker_id})

    async def server_info(self, request: Request, sink: Sink) -> None:
        """Answer with what an engine tells of its server; real ones tell their keys, too, which are masked."""
        send_json(sink, masked(await self._first(request, lambda worker: worker.server_info(), INFO_SECS)))

    async def model_info(self, request: Request, sink: Sink) -> None:
        """Answer with what an engine tells of its model."""
        send_json(sink, masked(await self._first(request, lambda worker: worker.model_info(), INFO_SECS)))

    def _unready(self) -> str:
        if self._draining():
            return "draining"
        return "" if self._available() else "insufficient healthy workers"

    def _available(self) -> tuple[Worker, ...]:
        fleet = self._fleet()
        return (*fleet.select(HttpWorker, WorkerType.REGULAR), *fleet.select(GrpcWorker, WorkerType.REGULAR))

    async def _first(self, request: Request, ask: Callable[[Worker], Awaitable[Any]], deadline_secs: float) -> Any:
        """Return the answer of the first available worker that gives one."""
        last: UpstreamError | None = None
        for worker in self._available():
            request.trail.worker_id = worker.id
            request.trail.attempts += 1
            try:
                return await ask_one(worker, ask, deadline_secs=deadline_secs)
            except UpstreamError as error:
                last = error
        raise last or NoWorkerError("no worker is available now", retry_after_secs=RETRY_AFTER_SECS)
