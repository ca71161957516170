"""Timers for exchanges, kept from one to the next: to arm one and call it off costs a fortieth of a request.

Theory: exchanges with one worker have the same clocks, so a timer that was armed for an earlier one rings before a
later one needs it, finds that its time has not come, and is armed again. Most exchanges arm none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT: Final = 256
"""Alarms at rest, of one worker."""


class Sleeper(Protocol):
    """Who wants to be woken."""

    def look(self) -> float | None:
        """Do what is due, and return the loop's time at which to be woken again; None for never."""
        ...


class Alarm:
    """Wakes one sleeper at a time, in time or too early."""

    __slots__ = ("_at", "_call_at", "_handle", "_sleeper")

    def __init__(self, call_at: Callable[..., asyncio.TimerHandle]) -> None:
        self._call_at = call_at
        self._at = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._sleeper: Sleeper | None = None

    def set(self, sleeper: Sleeper, at: float) -> None:
        """Have ``sleeper`` look at the loop's time ``at``, and maybe before."""
        self._sleeper = sleeper
        if self._handle is None or at < self._at:
            self.cancel()
            self._arm(at)

    def rest(self) -> None:
        """Wake nobody, until it is set again."""
        self._sleeper = None

    def cancel(self) -> None:
        """Not even ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, at: float) -> None:
        self._at, self._handle = at, self._call_at(at, self._ring)

    def _ring(self) -> None:
        self._handle = None
        if self._sleeper is not None and (at := self._sleeper.look()) is not None:
            self._arm(at)


class Alarms:
    """The alarms of one worker's exchanges."""

    __slots__ = ("_loop", "_resting", "_room")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._resting: list[Alarm] = []
        self._room = KEPT

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs, once and for all: asyncio asks the system for it, each time."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def take(self) -> Alarm:
        """Return one that nobody uses."""
        return self._resting.pop() if self._resting else Alarm(self.loop.call_at)

    def give_back(self, alarm: Alarm) -> None:
        """Let others use it."""
        alarm.rest()
        if len(self._resting) < self._room:
            self._resting.append(alarm)
        else:
            alarm.cancel()

    def close(self) -> None:
        """Keep none any more; may be called twice."""
        self._room = 0
        while self._resting:
            self._resting.pop().cancel()
