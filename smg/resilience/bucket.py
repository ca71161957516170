"""Token bucket: so many per second in the long run, so many at once after a rest.

Theory: instead of a level that is topped up, one instant is kept: when the bucket will be full again. Taking a token
moves it on by one token's time, and is refused where that would put it further ahead than an empty bucket needs.
Nothing is added up over time, so nothing drifts, and the wait told to a refused caller is exact. Where several keep one
bucket, the instant is the latest that any of them moved it to; whoever finds that another moved it in the same moment
moves it on once more, so that both tokens are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.resilience.shares import Mark

if TYPE_CHECKING:
    from smg.core.clock import Clock
    from smg.resilience.settings import BucketSettings

ROUNDING_SECS: Final = 1e-6
"""What adding times may be off by: whoever waited as told must pass."""


class TokenBucket:
    """Limits how often something happens."""

    def __init__(self, settings: BucketSettings, clock: Clock, full_at: Mark | None = None) -> None:
        """Begin full, unless others have taken of it."""
        self._settings = settings
        self._clock = clock
        self._full_at = full_at or Mark()

    def take(self) -> bool:
        """Take one token, or return False and change nothing."""
        now, full_at = self._clock.now(), self._full_at.latest()
        wait = self._wait_secs(full_at, now)
        if wait is None or wait > ROUNDING_SECS:
            return False
        self._full_at.move(max(full_at, now) + 1 / self._settings.rate_per_sec)
        if (meanwhile := self._full_at.latest_of_others()) > full_at:
            self._full_at.move(max(meanwhile, now) + 1 / self._settings.rate_per_sec)
        return True

    def retry_after_secs(self) -> float | None:
        """Return after how long a token can be taken if nobody else does, 0 for now; None for never (rate 0)."""
        return self._wait_secs(self._full_at.latest(), self._clock.now())

    def _wait_secs(self, full_at: float, now: float) -> float | None:
        rate = self._settings.rate_per_sec
        if rate == 0:
            return None
        return max(0.0, max(full_at, now) - now - (self._settings.burst - 1) / rate)
