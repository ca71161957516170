"""What a worker's requests run over, and how a fresh one takes its place while they run.

Theory: a transport has one current line (a session or a channel), by which every new request goes. Renewed, it gets a
fresh line; the old one is closed when its last request has left it, and not later than the worker may take to drain.
Closing the transport closes every line there still is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from smg.core.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from smg.core.observers import Observer


class Closable(Protocol):
    """What a line holds."""

    async def close(self) -> None:
        """End it and what runs over it; may be called twice."""
        ...


T = TypeVar("T", bound=Closable)


class Line(Generic[T]):
    """One session or channel, counted in use inside each ``with`` block, which is given it."""

    __slots__ = ("_transport", "_unused", "_users", "inner")

    def __init__(self, inner: T, transport: Transport[T]) -> None:
        self.inner = inner
        self._transport = transport
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def __enter__(self) -> T:
        if not self._users:
            self._unused.clear()
        self._users += 1
        return self.inner

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._users -= 1
        if not self._users:
            self._unused.set()
        self._transport.ended(self, exc)

    @property
    def used(self) -> bool:
        """Whether a request runs over it."""
        return self._users > 0

    async def unused(self) -> None:
        """Wait until no request runs over it."""
        await self._unused.wait()


class Transport(Generic[T]):
    """The way of one kind of requests to a worker; needs a running loop.

    Attributes:
        line: By which a request goes that begins now.
    """

    def __init__(self, make: Callable[[], T], *, drain_secs: float, observer: Observer) -> None:
        """Begin with a line of ``make``; a renewed one is given ``drain_secs`` to finish."""
        self._make = make
        self._drain_secs = drain_secs
        self._old: set[Line[T]] = set()
        self._retiring = Tasks(observer)
        self._closed = False
        self.line = Line(make(), self)

    def renew(self) -> None:
        """Have requests from now on go by a fresh line; does nothing once closed."""
        if self._closed:
            return
        old, self.line = self.line, Line(self._make(), self)
        self._old.add(old)
        _ = self._retiring.spawn("retire line", self._retire(old))

    def ended(self, line: Line[T], error: BaseException | None) -> None:
        """Take note that a request has left ``line``, with ``error`` or without."""

    async def _retire(self, line: Line[T]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_secs):
                await line.unused()
        await line.inner.close()
        self._old.discard(line)

    async def aclose(self) -> None:
        """Close every line; may be called twice, and again where an earlier call was cancelled."""
        self._closed = True
        await self._retiring.aclose()
        for line in (*self._old, self.line):
            await line.inner.close()
        self._old.clear()
