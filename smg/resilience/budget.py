"""Retry budget: retries stay a small share of the gateway's traffic, whatever fails.

Theory: both requests and retries are counted over the same stretch of time, and a retry is granted while there are
fewer than the share of the requests, or fewer than the floor. Counts are kept in buckets, so each errs by up to one
bucket: requests are counted over one bucket less, retries over one more, and so a grant is never one too many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.resilience.window import SlidingCount

if TYPE_CHECKING:
    from smg.core.clock import Clock
    from smg.resilience.settings import BudgetSettings

BUCKETS: Final = 20


class RetryBudget:
    """Grants retries; one for the whole gateway."""

    def __init__(self, settings: BudgetSettings, clock: Clock) -> None:
        self._settings = settings
        self._now = clock.now
        width_secs = settings.window_secs / BUCKETS
        self._requests = SlidingCount(settings.window_secs, BUCKETS)
        self._retries = SlidingCount(settings.window_secs + width_secs, BUCKETS + 1)

    def request(self) -> None:
        """Count a new request; its retries are not requests."""
        self._requests.add(self._now())

    def allow_retry(self) -> bool:
        """Grant one retry and count it, or return False."""
        now = self._now()
        share = self._settings.ratio * self._requests.total(now)
        granted = self._retries.total(now) + 1 <= max(self._settings.floor, share)
        if granted:
            self._retries.add(now)
        return granted
