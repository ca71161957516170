"""The page Prometheus reads, on a listener of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST

from smg.core.request import reply
from smg.middleware.authenticate import Access, Keys
from smg.middleware.failures import failures, refusing
from smg.middleware.stamp import stamp
from smg.server.observers.logs import LogObserver
from smg.server.routes import Route, RouteTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.clock import Clock
    from smg.core.errors import GatewayError
    from smg.core.request import Handler, Request, Sink

FIELDS = ((b"content-type", CONTENT_TYPE_LATEST.encode()),)


def metrics_page(render: Callable[[], bytes], clock: Clock) -> Handler:
    """Return the handler that serves ``render()`` at ``/metrics`` and nothing else."""

    async def show(_request: Request, sink: Sink) -> None:
        reply(sink, 200, render(), FIELDS)

    return _around(RouteTable((Route("GET", "/metrics", show, Access.PUBLIC),), Keys()), clock)


def page_fault(clock: Clock) -> Callable[[GatewayError], Handler]:
    """Return what makes a handler that refuses a request which cannot be routed."""
    return lambda error: _around(refusing(error), clock)


def _around(handler: Handler, clock: Clock) -> Handler:
    return stamp(failures(handler, observer=LogObserver()), id_headers=(), clock=clock)
