"""The gateway as one object: built from settings, started, drained and closed in the reverse order."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Self

from smg.core.clock import MonotonicClock
from smg.core.errors import ConfigError, GatewayError
from smg.core.observers import Observers
from smg.middleware.admit import Admission
from smg.middleware.authenticate import Keys
from smg.middleware.finishing import Running
from smg.policies.table import PolicyTable
from smg.resilience.budget import RetryBudget
from smg.routers.attempt import Surroundings
from smg.routers.attempts import Attempts
from smg.routers.grpc.job import Kit
from smg.routers.grpc.router import GrpcRouter
from smg.routers.http_router import HttpRouter
from smg.server.app import Parts, faults, front
from smg.server.garbage import keep_freed_memory, settle_garbage
from smg.server.http1.listener import Bind, Listener
from smg.server.http1.service import Limits
from smg.server.metrics_page import show_metrics
from smg.server.observers.logs import LogObserver
from smg.server.observers.metrics import MetricsObserver
from smg.server.parsers import require_c_parser
from smg.server.seat import ALONE
from smg.server.stop import signalled
from smg.server.tls import server_tls
from smg.server.tokenizers import CatalogSource
from smg.text.catalog import Catalog
from smg.text.encoder import Encoder
from smg.wire.http_head import HeadLimits
from smg.workers.factory import WorkerFactory
from smg.workers.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from smg.core.observers import Observer
    from smg.server.schema import Settings
    from smg.server.seat import Seat
    from smg.server.stop import Stop
    from smg.workers.fleet import Fleet

ACCEPT_ON_SECS = 2.0
LAST_WORD_SECS = 1.0


class Gateway:
    """Serves from entering its context to leaving it; make one per event loop.

    Attributes:
        registry: The fleet; from entering on.
        metrics: What has been counted; from entering on.
        draining: Once true, readiness is refused and no connection is kept.
    """

    registry: Registry
    metrics: MetricsObserver

    def __init__(self, settings: Settings, seat: Seat = ALONE) -> None:
        self._settings = settings
        self._seat = seat
        self._keys = Keys(settings.server.api_key, settings.callers)
        self._clock = MonotonicClock()
        self._rng = random.Random()  # noqa: S311  (spreads load, guards nothing)
        self._running = Running()
        self._stack = AsyncExitStack()
        self._listener: Listener | None = None
        self._metrics_listener: Listener | None = None
        self.draining = False

    @property
    def port(self) -> int:
        """The port callers reach."""
        return _started(self._listener).port

    @property
    def metrics_port(self) -> int:
        """The port Prometheus scrapes."""
        return _started(self._metrics_listener).port

    async def __aenter__(self) -> Self:
        """Listen, and begin to reach the workers without waiting for any.

        Raises:
            ConfigError: An address, a certificate or a worker's entry cannot be used.
        """
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close everything at once; what still runs is cut."""
        await self._stack.aclose()

    async def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain at once."""
        with signalled() as stop:
            await self.run_until(stop)

    async def run_until(self, stop: Stop) -> None:
        """Serve until ``stop`` wants the drain, and drain until that is over or wanted to be."""
        settle_garbage()
        keep_freed_memory()
        await stop.drain.wait()
        await stop.unless_hurried(self.drain())

    async def drain(self) -> None:
        """Refuse readiness, accept for a moment more, then let running requests finish within the grace.

        What still runs at the end of the grace fails as shutting down: a stream by one error event.
        """
        grace_secs = self._settings.server.shutdown_grace_period_secs
        accept_secs = min(ACCEPT_ON_SECS, grace_secs / 2)
        listener = _started(self._listener)
        self.draining = listener.closing = True
        await asyncio.sleep(accept_secs)
        await listener.stop_accepting()
        if not await self._idle_within(grace_secs - accept_secs):
            self._running.expire()
            await self._idle_within(LAST_WORD_SECS)

    async def _idle_within(self, secs: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(secs):
                await self._running.wait_idle()
        return not len(self._running)

    async def _start(self, stack: AsyncExitStack) -> None:
        require_c_parser()
        self.metrics = MetricsObserver(
            self._settings.metrics.duration_buckets,
            lambda: self.registry.fleet,
            lambda: 0 if self._listener is None else self._listener.connections,
            lambda: 0 if self._listener is None else self._listener.body_bytes,
        )
        observer = Observers(LogObserver(), self.metrics)
        encoder = Encoder()
        stack.push_async_callback(encoder.aclose)
        factory = WorkerFactory(self._settings.worker_defaults, self._clock, observer, self._rng, self._seat.shares)
        self.registry = Registry(factory, tokenizers=CatalogSource(Catalog(), self._settings.model), random=self._rng)
        stack.push_async_callback(self.registry.aclose)
        await self._seat.fill(self.registry)
        await self._listen(stack, self._parts(self._attempts(encoder, observer), observer))
        if not self._seat.shared:
            await self._show(stack)
        await self._register()

    def _attempts(self, encoder: Encoder, observer: Observer) -> Attempts:
        fleet: Callable[[], Fleet] = partial(attrgetter("fleet"), self.registry)  # asked often: no frame of Python's
        routers = (
            HttpRouter(fleet, self._settings.streams, gateway_auth=bool(self._keys)),
            GrpcRouter(fleet, Kit(encoder, self._clock, time.time)),
        )
        policies = PolicyTable(self._settings.policy, self._rng)
        around = Surroundings(self._clock, observer, self._rng, asyncio.sleep)
        budget = RetryBudget(self._settings.retry_budget, self._clock)
        return Attempts(routers, policies, budget, around, undiscovered=lambda: fleet().undiscovered)

    def _parts(self, attempts: Attempts, observer: Observer) -> Parts:
        return Parts(
            settings=self._settings.server,
            keys=self._keys,
            limits=self._settings.json,
            admission=Admission(self._settings.limits, self._settings.callers, self._clock, self._seat.shares),
            registry=self.registry,
            writes=self._seat.writes(self.registry),
            inference=attempts.route,
            running=self._running,
            draining=lambda: self.draining,
            clock=self._clock,
            observer=observer,
        )

    async def _listen(self, stack: AsyncExitStack, parts: Parts) -> None:
        server = self._settings.server
        tls = await asyncio.to_thread(server_tls, server)
        self._listener = Listener(front(parts), faults(parts), caller_limits(self._settings), self._clock)
        stack.push_async_callback(self._listener.aclose)
        await self._listener.start(Bind(host=server.host, port=server.port, tls=tls, shared=self._seat.shared))

    async def _show(self, stack: AsyncExitStack) -> None:
        async def page() -> bytes:
            return self.metrics.render()

        settings = self._settings
        self._metrics_listener = await show_metrics(stack, page, settings.metrics, caller_limits(settings))

    async def _register(self) -> None:
        for position, spec in enumerate(self._settings.workers):
            try:
                await self.registry.add(spec, "config")
            except GatewayError as error:
                raise ConfigError(f"workers[{position}]: {error.message}") from error


def caller_limits(settings: Settings) -> Limits:
    """Return what one connection of a listener may take."""
    server = settings.server
    return Limits(
        body_bytes=server.max_payload_size,
        body_memory_bytes=settings.limits.body_memory_bytes,
        body_idle_secs=server.body_idle_timeout_secs,
        stall_secs=server.write_stall_timeout_secs,
        idle_secs=server.keep_alive_timeout_secs,
        head_secs=server.header_read_timeout_secs,
        handshake_secs=server.tls_handshake_timeout_secs,
        body_grace_secs=server.body_grace_secs,
        body_rate=server.body_min_bytes_per_sec,
        connections=server.max_connections,
        head=HeadLimits(
            line_bytes=server.max_header_line_bytes,
            fields=server.max_header_fields,
            head_bytes=server.max_header_bytes,
        ),
    )


def _started(listener: Listener | None) -> Listener:
    if listener is None:
        raise RuntimeError("the gateway has not been started")
    return listener
