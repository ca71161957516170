"""What the scripted backends saw of every attempt, keyed by request id; this decides, not the gateway's counters."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Attempt:
    """One generation as one backend saw it.

    Attributes:
        number: Counts the attempts at one request over all backends, from 1.
        connection: Counts the backend's connections, from 1.
        engine_id: By which the engine knows it; only gRPC engines have one.
        sent: Bytes given to the socket, head included.
        ended: What ended it: ``answered``, ``reset``, ``closed``, ``left`` (the gateway went first), ``cancelled``
            (RST_STREAM with CANCEL), or None while it runs.
        left_at: When the gateway closed or cancelled before the end; seconds on the monotonic clock.
        aborted_at: When Abort named it.
    """

    request_id: str
    backend: str
    number: int
    connection: int
    begun_at: float = field(default_factory=time.monotonic)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    engine_id: str = ""
    sent: int = 0
    ended: str | None = None
    ended_at: float | None = None
    left_at: float | None = None
    aborted_at: float | None = None

    def end(self, how: str) -> None:
        """Note the end; the first word stands."""
        if self.ended is None:
            self.ended, self.ended_at = how, time.monotonic()
            if how in {"left", "cancelled"}:
                self.left_at = self.ended_at


@dataclass
class Book:
    """The attempts at all backends of a test, in order."""

    attempts: list[Attempt] = field(default_factory=list)
    _of: dict[str, list[Attempt]] = field(default_factory=dict)
    _running: list[Attempt] = field(default_factory=list)

    def begin(self, request_id: str, backend: str, connection: int) -> Attempt:
        """Note an attempt."""
        known = self._of.setdefault(request_id, [])
        attempt = Attempt(request_id, backend, len(known) + 1, connection)
        for listed in (known, self.attempts, self._running):
            listed.append(attempt)
        return attempt

    def of(self, request_id: str) -> list[Attempt]:
        """Return every attempt at one request."""
        return self._of.get(request_id, [])

    def at(self, backend: str) -> list[Attempt]:
        """Return every attempt at one backend."""
        return [attempt for attempt in self.attempts if attempt.backend == backend]

    @property
    def running(self) -> int:
        """Attempts without an end."""
        self._running = [attempt for attempt in self._running if attempt.ended is None]
        return len(self._running)


async def until(holds: Callable[[], object], within_secs: float = 5.0) -> float:
    """Wait until ``holds()``, or raise TimeoutError; return how long it took."""
    begun = time.monotonic()
    async with asyncio.timeout(within_secs):
        while not holds():  # noqa: ASYNC110 - what is waited for is outside, nobody signals
            await asyncio.sleep(0.002)
    return time.monotonic() - begun
