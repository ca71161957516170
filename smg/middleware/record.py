"""One record per request, whatever way it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from smg.core.events import RequestFinished

if TYPE_CHECKING:
    from smg.core.clock import Clock
    from smg.core.observers import Observer
    from smg.core.request import Handler, Request, Sink

BUG_STATUS: Final = 500
CALLER_LEFT_STATUS: Final = 499
CALLER_LEFT_CODE: Final = "client_closed_request"


def record(handler: Handler, *, clock: Clock, observer: Observer) -> Handler:
    """Tell ``observer`` of each request once, when its last byte is handed to the network or its caller left."""
    now = clock.now

    async def handle(request: Request, sink: Sink) -> None:
        try:
            await handler(request, sink)
            await sink.drain()
        except (asyncio.CancelledError, ConnectionResetError):
            request.trail.status = CALLER_LEFT_STATUS
            request.trail.error_code = CALLER_LEFT_CODE
            raise
        finally:
            observer.notify(_finished(request, now()))

    return handle


def _finished(request: Request, now: float) -> RequestFinished:
    trail = request.trail
    trail.status = trail.status or BUG_STATUS
    begun = None if trail.first_byte_at is None else trail.first_byte_at - request.arrived_at
    return RequestFinished(request.id, request.method, trail, begun, now - request.arrived_at)
