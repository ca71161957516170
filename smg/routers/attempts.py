"""The one attempt loop: check, offer, pick, lease, dispatch, judge; for streams and whole answers, for every mode.

A failed worker is not picked again for the same request. Nothing is retried once the caller has seen a byte:
from there a failure is a ``StreamBrokenError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.errors import LeaseRefusedError, NoWorkerError, UnknownModelError, UpstreamError
from smg.policies.policy import Hint
from smg.routers.attempt import Attempt
from smg.routers.tries import Tries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.request import InferenceRequest, Sink
    from smg.core.words import WorkerId
    from smg.policies.table import PolicyTable
    from smg.resilience.budget import RetryBudget
    from smg.routers.attempt import Surroundings
    from smg.routers.router import Router
    from smg.workers.worker import Worker

RETRY_AFTER_SECS = 1.0
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
        routers = self._checked(request)
        self._budget.request()
        tries = Tries(self._budget, self._around.rng)
        while True:
            router, worker = self._pick(routers, request, tries)
            try:
                return await Attempt(router, worker, self._around).run(request, sink)
            except LeaseRefusedError:
                tries.out.add(worker.id)
            except UpstreamError as error:
                if not tries.forgives(error):
                    tries.note(error, worker, request, sink)
                    await self._wait(routers, request, tries, worker)

    async def _wait(self, routers: tuple[Router, ...], request: InferenceRequest, tries: Tries, worker: Worker) -> None:
        """Wait before the next try; raise the failure at once where nobody is left to try."""
        assert tries.failure is not None  # noqa: S101  (noted just now)
        if not _left(_offers(routers, request), tries.out):
            raise tries.failure
        await self._around.sleep(tries.pause_secs(tries.failure, worker.settings.retry))

    def _checked(self, request: InferenceRequest) -> tuple[Router, ...]:
        routers = tuple(router for router in self._routers if router.registered(request))
        if not routers and self._undiscovered():
            raise NoWorkerError("the workers are still starting", retry_after_secs=RETRY_AFTER_SECS)
        if not routers:
            raise UnknownModelError(f"the model {request.model!r} is not served here", param="model")
        for router in routers:
            router.check(request)
        return routers

    def _pick(self, routers: tuple[Router, ...], request: InferenceRequest, tries: Tries) -> tuple[Router, Worker]:
        offers = _offers(routers, request)
        workers = offers[0][1] if len(offers) == 1 and not tries.out else _left(offers, tries.out)
        if not workers:
            raise self._nobody(routers, request, tries)
        policy = self._policies.policy(request.model, workers[0].spec.labels.get("policy"))
        chosen = policy.pick(workers, Hint(request.model, request.tokens))
        return next(router for router, offered in offers if chosen in offered), chosen

    def _nobody(self, routers: tuple[Router, ...], request: InferenceRequest, tries: Tries) -> Exception:
        if tries.failure is not None:
            return tries.failure
        refusals = [router.refusal(request) for router in routers]
        if all(refusals) and refusals[0] is not None:
            return refusals[0]
        return NoWorkerError(
            f"no worker that serves {request.model!r} is available now", retry_after_secs=RETRY_AFTER_SECS
        )


def _offers(routers: tuple[Router, ...], request: InferenceRequest) -> list[tuple[Router, Sequence[Worker]]]:
    """Return the routers that have candidates now, each with its own."""
    offers = [(router, router.candidates(request)) for router in routers]
    return [offer for offer in offers if offer[1]]


def _left(offers: Sequence[tuple[Router, Sequence[Worker]]], out: set[WorkerId]) -> list[Worker]:
    """Return the union of the candidates but those that are out."""
    return [worker for _, offered in offers for worker in offered if worker.id not in out]
