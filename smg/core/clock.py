"""Time as something that is handed in, so that tests need not wait for it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells how much time has passed."""

    def now(self) -> float:
        """Return seconds on a monotonic scale; only differences mean anything."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    now = staticmethod(time.monotonic)
    """Return seconds since some fixed point, never going back."""
