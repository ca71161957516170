"""One record per request, whatever way it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from smg.core.events import RequestFinished

if TYPE_CHECKING:
    from smg.core.clock import Clock
    from smg.core.events import Observer
    from smg.core.request import Handler, Request, Sink

CALLER_LEFT_STATUS: Final = 499
CALLER_LEFT_CODE: Final = "client_closed_request"


def record(handler: Handler, *, clock: Clock, observer: Observer) -> Handler:
    """Tell ``observer`` of each request once, when its last byte is handed to the network or its caller left."""

    async def handle(request: Request, sink: Sink) -> None:
        try:
            await handler(request, sink)
            await sink.drain()
        except (asyncio.CancelledError, ConnectionResetError):
            request.trail.status = CALLER_LEFT_STATUS
            request.trail.error_code = CALLER_LEFT_CODE
            raise
        finally:
            observer.notify(_finished(request, clock.now()))

    return handle


def _finished(request: Request, now: float) -> RequestFinished:
    trail = request.trail
    begun = trail.first_byte_at
    return RequestFinished(
        request_id=request.id,
        method=request.method,
        route=trail.route,
        status=trail.status or 500,
        error_code=trail.error_code,
        model=trail.model,
        streaming=trail.streaming,
        worker_id=trail.worker_id,
        attempts=trail.attempts,
        first_byte_secs=None if begun is None else begun - request.arrived_at,
        duration_secs=now - request.arrived_at,
        prompt_tokens=trail.prompt_tokens,
        completion_tokens=trail.completion_tokens,
        caller=trail.caller,
    )
