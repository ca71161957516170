"""What one request has tried so far, and whether it may try again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.core.errors import Retry, StaleConnectionError, UpstreamError
from smg.resilience.backoff import Backoff, wait_secs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from smg.core.words import WorkerId
    from smg.resilience.budget import RetryBudget
    from smg.workers.settings import RetrySettings
    from smg.workers.worker import Worker


NOBODY: Final[frozenset[WorkerId]] = frozenset()
"""Most requests rule out nobody, so a set is made only by those that do."""

STALE_AT_MOST: Final = 3
"""Stale connections that one request may meet before they count as failures."""


class Tries:
    """The tries of one request.

    Attributes:
        out: Workers that are not to be picked again: they failed, or took no request after all.
        failure: The last worker's; the answer if nobody is left.
    """

    __slots__ = ("_budget", "_failures", "_forgiven", "_rng", "_stale", "failure", "out")

    def __init__(self, budget: RetryBudget, rng: Random) -> None:
        self.out = NOBODY
        self._stale = NOBODY
        self.failure: UpstreamError | None = None
        self._budget = budget
        self._rng = rng
        self._failures = 0
        self._forgiven = 0

    @property
    def fresh(self) -> bool:
        """Whether anybody may be picked."""
        return not self.out and not self._stale

    def left(self, offers: Iterable[tuple[object, Iterable[Worker]]]) -> list[Worker]:
        """Return who of the offered may be picked: one whose connection was stale only where nobody else may be."""
        left = [worker for _, offered in offers for worker in offered if worker.id not in self.out]
        return [worker for worker in left if worker.id not in self._stale] or left

    def forgives(self, error: UpstreamError, worker: Worker) -> bool:
        """Whether to try again at once and for nothing: the connection was stale, as others in the pool may be too."""
        if not isinstance(error, StaleConnectionError):
            return False
        self._stale |= {worker.id}
        self._forgiven += 1
        return self._forgiven <= STALE_AT_MOST

    def note(self, error: UpstreamError, worker: Worker) -> None:
        """Put a worker out that failed."""
        self.out |= {worker.id}
        self.failure = error
        self._failures += 1

    def spent(self, error: UpstreamError, retry: RetrySettings, attempts: int) -> bool:
        """Whether ``error`` is the last word whoever is left: it may not be repeated, or the tries are used up.

        A try of which no byte reached a worker costs the fleet nothing and is not charged to the budget.
        """
        if error.retry is Retry.NEVER or retry.disable_retry or attempts >= retry.max_retries:
            return True
        return error.retry is not Retry.SAFE and not self._budget.allow_retry()

    def pause_secs(self, error: UpstreamError, retry: RetrySettings) -> float:
        """Return the wait before the next try."""
        backoff = Backoff(
            initial_secs=retry.initial_backoff_ms / 1000,
            max_secs=retry.max_backoff_ms / 1000,
            multiplier=retry.backoff_multiplier,
        )
        return wait_secs(backoff.secs(self._failures, self._rng), error.retry_after_secs)
