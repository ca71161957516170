"""Time as something that is handed in, so that tests need not wait for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Tells how much time has passed."""

    def now(self) -> float:
        """Return seconds on a monotonic scale; only differences mean anything."""
        ...


class MonotonicClock:
    """The machine's monotonic clock.

    Attributes:
        now: Returns seconds since some fixed point, never going back; the system's own function, bound once.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.monotonic
