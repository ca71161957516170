"""The page Prometheus reads, on a listener of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST

from smg.core.clock import MonotonicClock
from smg.core.request import reply
from smg.middleware.authenticate import Access, Keys
from smg.middleware.failures import failures, refusing
from smg.middleware.stamp import stamp
from smg.server.http1.listener import Bind, Listener
from smg.server.observers.logs import LogObserver
from smg.server.routes import Route, RouteTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AsyncExitStack

    from smg.core.clock import Clock
    from smg.core.errors import GatewayError
    from smg.core.request import Handler, Request, Sink
    from smg.server.http1.service import Limits
    from smg.server.settings import MetricsSettings

FIELDS = ((b"content-type", CONTENT_TYPE_LATEST.encode()),)


async def show_metrics(
    stack: AsyncExitStack, render: Callable[[], Awaitable[bytes]], settings: MetricsSettings, limits: Limits
) -> Listener:
    """Serve the page until ``stack`` is closed; raises ConfigError where the address cannot be bound."""
    clock = MonotonicClock()
    listener = Listener(metrics_page(render, clock), page_fault(clock), limits, clock)
    stack.push_async_callback(listener.aclose)
    await listener.start(Bind(host=settings.host, port=settings.port))
    return listener


def metrics_page(render: Callable[[], Awaitable[bytes]], clock: Clock) -> Handler:
    """Return the handler that serves ``render()`` at ``/metrics`` and nothing else."""

    async def show(_request: Request, sink: Sink) -> None:
        reply(sink, 200, await render(), FIELDS)

    return _around(RouteTable((Route("GET", "/metrics", show, Access.PUBLIC),), Keys()), clock)


def page_fault(clock: Clock) -> Callable[[GatewayError], Handler]:
    """Return what makes a handler that refuses a request which cannot be routed."""
    return lambda error: _around(refusing(error), clock)


def _around(handler: Handler, clock: Clock) -> Handler:
    return stamp(failures(handler, observer=LogObserver()), id_headers=(), clock=clock)
