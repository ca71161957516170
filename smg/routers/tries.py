"""What one request has tried so far, and whether it may try again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.errors import Retry, StaleConnectionError, UpstreamError
from smg.resilience.backoff import Backoff, wait_secs

if TYPE_CHECKING:
    from random import Random

    from smg.core.request import InferenceRequest, Sink
    from smg.core.words import WorkerId
    from smg.resilience.budget import RetryBudget
    from smg.workers.settings import RetrySettings
    from smg.workers.worker import Worker


STALE_AT_MOST = 3
"""Stale connections that one request may meet before they count as failures."""


class Tries:
    """The tries of one request.

    Attributes:
        out: Workers that are not to be picked again: they failed, or took no request after all.
        failure: The last worker's; the answer if nobody is left.
    """

    __slots__ = ("_budget", "_failures", "_forgiven", "_rng", "failure", "out")

    def __init__(self, budget: RetryBudget, rng: Random) -> None:
        self.out: set[WorkerId] = set()
        self.failure: UpstreamError | None = None
        self._budget = budget
        self._rng = rng
        self._failures = 0
        self._forgiven = 0

    def forgives(self, error: UpstreamError) -> bool:
        """Whether to try again at once and for nothing: the connection was stale, as others in the pool may be too."""
        if not isinstance(error, StaleConnectionError):
            return False
        self._forgiven += 1
        return self._forgiven <= STALE_AT_MOST

    def note(self, error: UpstreamError, worker: Worker, request: InferenceRequest, sink: Sink) -> None:
        """Put the worker out; raise ``error`` if it is the final word whoever is left."""
        self.out.add(worker.id)
        self.failure = error
        self._failures += 1
        retry = worker.settings.retry
        spent = retry.disable_retry or request.trail.attempts >= retry.max_retries
        if spent or sink.started or error.retry is Retry.NEVER:
            raise error

    def pause_secs(self, error: UpstreamError, retry: RetrySettings) -> float:
        """Return the wait before the next try; raise ``error`` if the gateway's budget of retries is spent.

        A try of which no byte reached a worker costs the fleet nothing and is not charged.
        """
        if error.retry is not Retry.SAFE and not self._budget.allow_retry():
            raise error
        backoff = Backoff(
            initial_secs=retry.initial_backoff_ms / 1000,
            max_secs=retry.max_backoff_ms / 1000,
            multiplier=retry.backoff_multiplier,
        )
        return wait_secs(backoff.secs(self._failures, self._rng), error.retry_after_secs)
