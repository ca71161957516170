"""Watches the clocks of one exchange and ends it when one runs out: one alarm.

Theory: a mark only stores when it was made. The alarm never rings later than the shortest clock that a mark may begin
would run out, so no mark needs to move it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

import msgspec

from smg.core.errors import (
    ConnectTimeoutError,
    FirstByteTimeoutError,
    FirstTokenTimeoutError,
    Retry,
    StalledError,
    TotalTimeoutError,
    UpstreamTimeoutError,
)
from smg.resilience.clocks import ClockKind, Clocks, shortest_secs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from smg.core.request import Sink
    from smg.core.words import WorkerId
    from smg.resilience.clocks import RanOut
    from smg.resilience.settings import ClockSettings
    from smg.workers.alarms import Alarm, Alarms

monotonic: Final = time.monotonic
"""The loop's own scale, but not only to its turn; bound here, which spares compiled code a search for each mark."""

VERDICTS: Final[Mapping[ClockKind, tuple[type[UpstreamTimeoutError], Retry]]] = {
    ClockKind.CONNECT: (ConnectTimeoutError, Retry.SAFE),
    ClockKind.FIRST_BYTE: (FirstByteTimeoutError, Retry.IF_IDEMPOTENT),
    ClockKind.FIRST_TOKEN: (FirstTokenTimeoutError, Retry.IF_IDEMPOTENT),
    ClockKind.BETWEEN_CHUNKS: (StalledError, Retry.IF_IDEMPOTENT),
    ClockKind.TOTAL: (TotalTimeoutError, Retry.NEVER),
}


def within(settings: ClockSettings, secs: float) -> ClockSettings:
    """Return clocks for a short exchange: ``secs`` for all of it."""
    return msgspec.structs.replace(
        settings, first_byte_secs=secs, first_token_secs=secs, between_chunks_secs=secs, total_secs=secs
    )


class Watch:
    """The clocks of one exchange while it runs; a ``with`` block of one task, whose waiting they may end.

    The marks (``sent``, ``head``, ``output``, ``chunk``, ``pause``, ``resume``) are those of ``Clocks``.

    Attributes:
        loop: That runs it.
        excuse: Tells, given when the exchange began, whether a connection that does not come is not the worker's fault;
            None where it is.

    Raises:
        UpstreamTimeoutError: On leaving, if a clock has run out; says which, what it was set to and what elapsed.
    """

    __slots__ = (
        *("_alarm", "_alarms", "_cancelling", "_clocks", "_own", "_ran_out", "_shortest_secs", "_task"),
        *("_worker_id", "excuse", "loop"),
    )

    def __init__(
        self,
        worker_id: WorkerId,
        settings: ClockSettings,
        alarms: Alarms,
        *,
        stream: bool,
        began_at: float | None = None,
        own: ClockSettings | None = None,
    ) -> None:
        """Begin to connect now; the total runs from ``began_at`` (monotonic), where an earlier try has begun it.

        ``own`` are the worker's own clocks, where ``settings`` may be a caller's wish.
        """
        self.excuse: Callable[[float], bool] | None = None
        self._worker_id = worker_id
        self._alarms = alarms
        self._alarm: Alarm | None = None
        self._own = own or settings
        self.loop = alarms.loop
        self._clocks = Clocks(settings, monotonic(), stream=stream, total_from=began_at)
        self._shortest_secs = shortest_secs(settings)
        self._ran_out: RanOut | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task(self.loop)
        assert task is not None  # noqa: S101  (whoever waits is a task)
        self._task, self._cancelling = task, task.cancelling()
        self._alarm = self._alarms.take()
        self._alarm.set(self, self._next(monotonic()))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raise the error of the clock that ended the block; a cancellation by anybody else goes on."""
        self.stop()
        if self._ran_out is None:
            return
        ours_alone = self._task.uncancel() <= self._cancelling
        if ours_alone and isinstance(exc, asyncio.CancelledError):
            raise self._error(self._ran_out) from exc

    @property
    def moved_at(self) -> float:
        """When the exchange came further last, by the loop's time."""
        return max(self._clocks.sent_at, self._clocks.alive_at)

    def waited_secs(self) -> float:
        """Return how long the answer has been waited for since the request was handed over."""
        return monotonic() - self._clocks.sent_at

    def sent(self) -> None:
        """Note that the request was handed over, or more of it."""
        self._clocks.sent(monotonic())

    def head(self) -> None:
        """Note that the answer's head came."""
        self._clocks.head(monotonic())

    def output(self) -> None:
        """Note that the worker produced something for the caller."""
        self._clocks.output(monotonic())

    def chunk(self) -> None:
        """Note a sign of life."""
        self._clocks.alive_at = monotonic()

    def pause(self) -> None:
        """Note that the caller is slow and nothing more is read."""
        self._clocks.pause()

    def resume(self) -> None:
        """Note that the worker is read from again."""
        self._clocks.resume(monotonic())

    def stop(self) -> None:
        """Note that the answer is complete: no clock ends it from here on; who reads on sets a deadline of its own."""
        if self._alarm is not None:
            self._alarms.give_back(self._alarm)
            self._alarm = None

    async def drained(self, sink: Sink) -> None:
        """Wait until the caller takes more, if it must be waited for; raises as ``Sink.drain`` does."""
        if sink.paused:
            self.pause()
            await sink.drain()
            self.resume()

    def look(self) -> float | None:
        """End the exchange if a clock has run out; else return when to look again, by the loop's time."""
        now = monotonic()
        self._ran_out = self._clocks.expired(now)
        if self._ran_out is None:
            return self._next(now)
        self._task.cancel()
        return None

    def _next(self, now: float) -> float:
        """Return when a clock may run out: one that runs, or one that a mark begins from now on."""
        return min(self._clocks.next_deadline(), now + self._shortest_secs)

    def _error(self, ran_out: RanOut) -> UpstreamTimeoutError:
        kind, retry = VERDICTS[ran_out.clock]
        return kind(self._worker_id, str(ran_out), retry=retry, blames=self._blames(ran_out))

    def _blames(self, ran_out: RanOut) -> bool:
        """Whether it says something of the worker, and not only of its caller's patience or of a crowd."""
        own: float = getattr(self._own, f"{ran_out.clock.value}_secs")
        if ran_out.clock is ClockKind.CONNECT and self.excuse is not None and self.excuse(self._clocks.began_at):
            return False
        return ran_out.blames and ran_out.limit_secs >= own
