"""Lets in as many requests as the limits allow; the rest wait in line or are refused at once.

A body comes as slowly as its caller likes to send it, so no place is held, and none in line, until it is here.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from smg.core.errors import OverloadedError, RateLimitedError
from smg.resilience.bucket import TokenBucket
from smg.resilience.gate import Gate, PlaceState
from smg.resilience.settings import BucketSettings, GateSettings
from smg.resilience.shares import ALONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from smg.core.clock import Clock
    from smg.core.request import Handler, Request, Sink
    from smg.middleware.settings import CallerSettings, ConcurrencySettings, LimitSettings, RateSettings
    from smg.resilience.gate import Place
    from smg.resilience.shares import Mark, Shares

R = TypeVar("R")
Serve: TypeAlias = "Callable[[R, Sink], Awaitable[None]]"
"""Answers a request, in whatever form, into a sink."""

RETRY_AFTER_SECS = 1.0
NEVER_SECS = 3600.0
"""Told to callers where the rate is 0: there is no right time to come back."""


class Line:
    """A gate at which requests of this loop wait."""

    def __init__(self, settings: GateSettings, clock: Clock, shares: Shares = ALONE) -> None:
        turns = shares.turns()
        self._gate = Gate(settings, clock, shares.places("concurrency"), turns)
        self._clock = clock
        self._look_secs = turns.look_secs
        self._looking: asyncio.TimerHandle | None = None
        self._waiting: dict[Place, asyncio.Future[None]] = {}

    def require_room(self) -> None:
        """Raise OverloadedError where a request would be refused if it were complete."""
        if self._gate.full:
            raise _overloaded()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place for the length of the block.

        Raises:
            OverloadedError: The line is full, or the wait was too long.
        """
        place = self._gate.enter()
        if place is None:
            raise _overloaded()
        try:
            if place.state is PlaceState.WAITING:
                await self._wait(place)
            yield
        finally:
            self._wake(self._gate.leave(place))

    async def _wait(self, place: Place) -> None:
        turn = self._waiting[place] = asyncio.get_running_loop().create_future()
        self._look_later()
        try:
            async with asyncio.timeout(place.deadline - self._clock.now()):
                await turn
        except TimeoutError as error:
            if place.state is not PlaceState.RUNNING:
                message = "the gateway was too busy for too long"
                raise OverloadedError(message, retry_after_secs=RETRY_AFTER_SECS) from error
        finally:
            del self._waiting[place]

    def _look_later(self) -> None:
        """Where others share the limit, look for a place that they freed, as long as somebody waits here."""
        if self._look_secs is not None and self._looking is None and self._waiting:
            self._looking = asyncio.get_running_loop().call_later(self._look_secs, self._look)

    def _look(self) -> None:
        self._looking = None
        while (heir := self._gate.advance()) is not None:
            self._wake(heir)
        self._look_later()

    def _wake(self, heir: Place | None) -> None:
        turn = None if heir is None else self._waiting.get(heir)
        if turn is not None and not turn.done():
            turn.set_result(None)


def _overloaded() -> OverloadedError:
    return OverloadedError("the gateway serves as many requests as it may", retry_after_secs=RETRY_AFTER_SECS)


def admitting(serve: Serve[R], line: Line | None) -> Serve[R]:
    """Have each request hold a place in ``line`` until its answer has ended."""
    if line is None:
        return serve

    async def admitted(request: R, sink: Sink) -> None:
        async with line.place():
            await serve(request, sink)

    return admitted


def fending(handler: Handler, line: Line | None) -> Handler:
    """Refuse requests at once, their bodies unread, while ``line`` is full."""
    if line is None:
        return handler

    def handle(request: Request, sink: Sink) -> Awaitable[None]:
        line.require_room()
        return handler(request, sink)

    return handle


def rationing(handler: Handler, bucket: TokenBucket | None) -> Handler:
    """Let requests pass as often as ``bucket`` has a token."""
    if bucket is None:
        return handler

    async def handle(request: Request, sink: Sink) -> None:
        _spend(bucket, "too many requests")
        await handler(request, sink)

    return handle


def rationing_each(handler: Handler, buckets: Mapping[str, TokenBucket]) -> Handler:
    """Let each caller's requests pass as often as the bucket of its name has a token; who has none is not limited."""
    if not buckets:
        return handler

    async def handle(request: Request, sink: Sink) -> None:
        caller = request.trail.caller
        if caller is not None and caller in buckets:
            _spend(buckets[caller], "too many requests of this caller")
        await handler(request, sink)

    return handle


def _spend(bucket: TokenBucket, refusal: str) -> None:
    """Take a token, or refuse with the time to come back."""
    if not bucket.take():
        wait = bucket.retry_after_secs()
        raise RateLimitedError(refusal, retry_after_secs=NEVER_SECS if wait is None else wait)


class Admission:
    """The limits of one gateway, laid around each inference handler."""

    def __init__(
        self, settings: LimitSettings, callers: Iterable[CallerSettings], clock: Clock, shares: Shares = ALONE
    ) -> None:
        def bucket(name: str, rate: RateSettings) -> TokenBucket | None:
            return _bucket(rate, clock, shares.mark(name))

        buckets = {
            caller.name: bucket(f"caller:{caller.name}", caller.rate or settings.per_caller) for caller in callers
        }
        self._buckets = {name: bucket for name, bucket in buckets.items() if bucket is not None}
        self._bucket = bucket("rate", settings.rate)
        self._line = _line(settings.concurrency, clock, shares)

    def around(self, handler: Handler) -> Handler:
        """Return ``handler`` behind what can be told of a request before its body is here.

        The rates are asked first, so that who is refused never waits; and the caller's own before that of all, so that
        who is beyond its own takes nothing of theirs.
        """
        return rationing_each(rationing(fending(handler, self._line), self._bucket), self._buckets)

    def within(self, serve: Serve[R]) -> Serve[R]:
        """Return ``serve``, which is given complete requests, within the limit of those that run at once."""
        return admitting(serve, self._line)


def _bucket(rate: RateSettings, clock: Clock, full_at: Mark) -> TokenBucket | None:
    if rate.rate_per_sec is None:
        return None
    return TokenBucket(BucketSettings(rate_per_sec=rate.rate_per_sec, burst=rate.burst), clock, full_at)


def _line(wanted: ConcurrencySettings, clock: Clock, shares: Shares) -> Line | None:
    if wanted.limit is None:
        return None
    gate = GateSettings(limit=wanted.limit, queue_size=wanted.queue_size, queue_timeout_secs=wanted.queue_timeout_secs)
    return Line(gate, clock, shares)
