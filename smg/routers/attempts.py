"""The one attempt loop: check, offer, pick, lease, dispatch, judge; for streams and whole answers, for every mode.

A failed worker is not picked again for the same request; one of which only a kept connection was stale is picked
again where nobody else is left. Nothing is retried once the caller has seen a byte: from there a failure is a
``StreamBrokenError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.core.errors import (
    ConnectTimeoutError,
    LeaseRefusedError,
    NoWorkerError,
    Retry,
    UnknownModelError,
    UpstreamConnectError,
    UpstreamError,
)
from smg.policies.policy import Hint
from smg.routers.attempt import Attempt
from smg.routers.tries import Tries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.request import InferenceRequest, Sink
    from smg.policies.table import PolicyTable
    from smg.resilience.budget import RetryBudget
    from smg.routers.attempt import Surroundings
    from smg.routers.router import Router
    from smg.workers.worker import Worker

RETRY_AFTER_SECS: Final = 1.0
"""When a caller may come back to a model whose workers are all out: a probe may have brought one back."""


class Attempts:
    """Takes an inference request to an answer."""

    def __init__(
        self,
        routers: Sequence[Router],
        policies: PolicyTable,
        budget: RetryBudget,
        surroundings: Surroundings,
        *,
        undiscovered: Callable[[], bool],
    ) -> None:
        """Take the parts; ``undiscovered`` tells whether some worker may yet turn out to serve a model."""
        self._undiscovered = undiscovered
        self._routers = tuple(routers)
        self._policies = policies
        self._budget = budget
        self._around = surroundings

    async def route(self, request: InferenceRequest, sink: Sink) -> None:
        """Answer ``request`` into ``sink``.

        Raises:
            DownstreamError: The request is at fault.
            RoutingError: Nobody serves the model, or nobody does now.
            UpstreamError: The last worker tried failed, or the answer broke off.
        """
        tries = Tries(self._budget, self._around.rng)
        try:
            await self._route(self._checked(request), request, sink, tries)
        finally:
            # What was parsed knows the request, and a failure the frames it went through: in circles, all of it would
            # wait for the collector, body and all.
            request.parsed.clear()
            tries.failure = None

    async def _route(self, routers: tuple[Router, ...], request: InferenceRequest, sink: Sink, tries: Tries) -> None:
        self._budget.request()
        while True:
            router, worker = self._pick(routers, request, tries)
            try:
                return await Attempt(router, worker, self._around).run(request, sink)
            except LeaseRefusedError:
                tries.out |= {worker.id}
            except UpstreamError as error:
                if sink.head is not None:
                    raise
                if not tries.forgives(error, worker):
                    tries.note(error, worker)
                    alone = not tries.left(_offers(routers, request))
                    if alone and _unreached(error):
                        raise _nobody_reached(request) from error
                    if alone or tries.spent(error, worker.settings.retry, request.trail.attempts):
                        raise
                    await self._around.sleep(tries.pause_secs(error, worker.settings.retry))

    def _checked(self, request: InferenceRequest) -> tuple[Router, ...]:
        routers = tuple([router for router in self._routers if router.registered(request)])
        if not routers and self._undiscovered():
            raise NoWorkerError("the workers are still starting", retry_after_secs=RETRY_AFTER_SECS)
        if not routers:
            raise UnknownModelError(f"the model {request.model!r} is not served here", param="model")
        for router in routers:
            router.check(request)
        return routers

    def _pick(self, routers: tuple[Router, ...], request: InferenceRequest, tries: Tries) -> tuple[Router, Worker]:
        offers = _offers(routers, request)
        workers = offers[0][1] if len(offers) == 1 and tries.fresh else tries.left(offers)
        if not workers:
            raise self._nobody(routers, request, tries)
        policy = self._policies.policy(request.model, workers[0].spec.labels.get("policy"))
        chosen = policy.pick(workers, Hint(request.model, request.tokens))
        router = offers[0][0] if len(offers) == 1 else next(router for router, offered in offers if chosen in offered)
        return router, chosen

    def _nobody(self, routers: tuple[Router, ...], request: InferenceRequest, tries: Tries) -> Exception:
        if tries.failure is not None:
            return _nobody_reached(request) if _unreached(tries.failure) else tries.failure
        refusals = [router.refusal(request) for router in routers]
        if all(refusals) and refusals[0] is not None:
            return refusals[0]
        return NoWorkerError(
            f"no worker that serves {request.model!r} is available now", retry_after_secs=RETRY_AFTER_SECS
        )


def _unreached(failure: UpstreamError) -> bool:
    """Tell whether not even a connection came about; where nobody is left, a caller is then told that there is nobody.

    No byte was sent, so coming back later is as safe as if the worker had been known to be out.
    """
    return isinstance(failure, UpstreamConnectError | ConnectTimeoutError) and failure.retry is Retry.SAFE


def _nobody_reached(request: InferenceRequest) -> NoWorkerError:
    return NoWorkerError(
        f"no worker that serves {request.model!r} can be connected to now", retry_after_secs=RETRY_AFTER_SECS
    )


def _offers(routers: tuple[Router, ...], request: InferenceRequest) -> list[tuple[Router, Sequence[Worker]]]:
    """Return the routers that have candidates now, each with its own."""
    offers = [(router, router.candidates(request)) for router in routers]
    return [offer for offer in offers if offer[1]]
