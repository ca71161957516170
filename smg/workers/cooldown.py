"""The look at a breaker when time alone lets a request in again: nobody else asks a worker that is left out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.clock import Clock
    from smg.resilience.breaker import CircuitBreaker


class Cooldown:
    """One timer, for the time that a breaker waits for now."""

    def __init__(self, breaker: CircuitBreaker, clock: Clock, changed: Callable[[], None]) -> None:
        """``changed`` is told after each look."""
        self._breaker = breaker
        self._clock = clock
        self._changed = changed
        self._timer: asyncio.TimerHandle | None = None

    def follow(self) -> None:
        """Look when the breaker now says, if it waits for a time at all; to be called whenever it has moved."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if (at := self._breaker.retry_at) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._clock.now()), self._look)

    def _look(self) -> None:
        self._timer = None
        self._breaker.tick()
        if self._timer is None:  # a loop's timer may be early by a millisecond, and then nothing has moved
            self.follow()
        self._changed()
