"""The one attempt loop: check, offer, pick, lease, dispatch, judge; for streams and whole answers, for every mode.

A failed worker is not picked again for the same request. Nothing is retried once the caller has seen a byte:
from there a failure is a ``StreamBrokenError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.errors import NoWorkerError, Retry, UnknownModelError, UpstreamError
from smg.policies.policy import Hint
from smg.routers.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.request import InferenceRequest, Sink
    from smg.core.words import WorkerId
    from smg.policies.table import PolicyTable
    from smg.routers.attempt import Surroundings
    from smg.routers.router import Router
    from smg.workers.settings import RetrySettings
    from smg.workers.worker import Worker

RETRY_AFTER_SECS = 1.0
"""When a caller may come back to a model whose workers are all out: a probe may have brought one back."""


class Attempts:
    """Takes an inference request to an answer."""

    def __init__(self, routers: Sequence[Router], policies: PolicyTable, surroundings: Surroundings) -> None:
        self._routers = tuple(routers)
        self._policies = policies
        self._around = surroundings

    async def route(self, request: InferenceRequest, sink: Sink) -> None:
        """Answer ``request`` into ``sink``.

        Raises:
            DownstreamError: The request is at fault.
            RoutingError: Nobody serves the model, or nobody does now.
            UpstreamError: The last worker tried failed, or the answer broke off.
        """
        routers = self._checked(request)
        failed: dict[WorkerId, UpstreamError] = {}
        while True:
            router, worker = self._pick(routers, request, failed)
            try:
                return await Attempt(router, worker, self._around).run(request, sink)
            except UpstreamError as error:
                failed[worker.id] = error
                _judge(error, worker.settings.retry, request, sink)
            await self._around.sleep(self._back_off_secs(worker.settings.retry, len(failed)))

    def _checked(self, request: InferenceRequest) -> tuple[Router, ...]:
        routers = tuple(router for router in self._routers if router.registered(request))
        if not routers:
            raise UnknownModelError(f"the model {request.model!r} is not served here", param="model")
        for router in routers:
            router.check(request)
        return routers

    def _pick(
        self, routers: tuple[Router, ...], request: InferenceRequest, failed: dict[WorkerId, UpstreamError]
    ) -> tuple[Router, Worker]:
        offers = [(router, worker) for router in routers for worker in router.candidates(request)]
        left = [offer for offer in offers if offer[1].id not in failed] if failed else offers
        if not left:
            raise self._nobody(routers, request, failed)
        workers = [worker for _, worker in left]
        policy = self._policies.policy(request.model, workers[0].spec.labels.get("policy"))
        chosen = policy.pick(workers, Hint(request.model, request.tokens))
        return left[workers.index(chosen)]

    def _nobody(
        self, routers: tuple[Router, ...], request: InferenceRequest, failed: dict[WorkerId, UpstreamError]
    ) -> Exception:
        if failed:
            return next(reversed(failed.values()))
        refusals = [router.refusal(request) for router in routers]
        if all(refusals) and refusals[0] is not None:
            return refusals[0]
        return NoWorkerError(
            f"no worker that serves {request.model!r} is available now", retry_after_secs=RETRY_AFTER_SECS
        )

    def _back_off_secs(self, retry: RetrySettings, failures: int) -> float:
        """Return a wait with full jitter: anything up to the exponential bound."""
        bound = retry.initial_backoff_ms * retry.backoff_multiplier ** (failures - 1)
        return self._around.rng.uniform(0, min(bound, retry.max_backoff_ms)) / 1000


def _judge(error: UpstreamError, retry: RetrySettings, request: InferenceRequest, sink: Sink) -> None:
    """Raise ``error`` if it is the final word; return if another attempt may be made."""
    spent = retry.disable_retry or request.trail.attempts >= retry.max_retries
    if spent or sink.started or error.retry is Retry.NEVER:
        raise error
