"""Callers served by gRPC workers: each endpoint is a job, made once and answered by the worker picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeGuard

from typing_extensions import override

from smg.core.errors import GatewayError, UnsupportedEndpointError, UnsupportedFieldError
from smg.core.words import Endpoint, Outcome, WorkerType
from smg.routers.grpc.chat import ChatJob
from smg.routers.grpc.completions import CompletionJob
from smg.routers.grpc.embeddings import EmbeddingJob
from smg.routers.grpc.generate import GenerateJob
from smg.routers.grpc.job import Job, UnservableJob
from smg.routers.grpc.tokenization import DetokenizeJob, TokenizeJob
from smg.routers.router import Router
from smg.workers.grpc_worker import GrpcWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from smg.core.request import InferenceRequest, Sink
    from smg.routers.grpc.job import Kit
    from smg.wire.engines.dialect import Dialect
    from smg.workers.fleet import Fleet
    from smg.workers.lease import Lease
    from smg.workers.worker import Worker

JOBS: Final[Mapping[Endpoint, type[Job]]] = {
    Endpoint.CHAT: ChatJob,
    Endpoint.COMPLETIONS: CompletionJob,
    Endpoint.EMBEDDINGS: EmbeddingJob,
    Endpoint.GENERATE: GenerateJob,
    Endpoint.TOKENIZE: TokenizeJob,
    Endpoint.DETOKENIZE: DetokenizeJob,
}
"""What gRPC engines serve; for the other endpoints this router has no candidates."""


class GrpcRouter(Router):
    """Narrows the fleet to its gRPC workers whose engine can do what is asked."""

    def __init__(self, fleet: Callable[[], Fleet], kit: Kit) -> None:
        self._fleet = fleet
        self._kit = kit

    @override
    def registered(self, request: InferenceRequest) -> bool:
        return self._fleet().known(request.model, GrpcWorker)

    @override
    def check(self, request: InferenceRequest) -> None:
        request.parsed[self] = self._job(request)

    def _job(self, request: InferenceRequest) -> Job:
        make = JOBS.get(request.endpoint)
        if make is None:
            text = f"this model's engines do not serve {request.endpoint.value}"
            return UnservableJob(UnsupportedEndpointError(text))
        try:
            return make(request, self._kit)
        except UnsupportedFieldError as error:
            return UnservableJob(error)  # workers of another mode may do it

    @override
    def candidates(self, request: InferenceRequest) -> Sequence[GrpcWorker]:
        ready = self._fleet().select(GrpcWorker, WorkerType.REGULAR, model=request.model)
        workers = [worker for worker in ready if worker.tokenizer is not None and worker.understood]
        refusals = _refusals(_job_of(self, request), workers)
        return [worker for worker in workers if refusals[worker.dialect] is None]

    @override
    def refusal(self, request: InferenceRequest) -> GatewayError | None:
        workers = [worker for worker in self._fleet().workers.values() if _could_serve(worker, request.model)]
        if not all(worker.understood for worker in workers):
            return None  # an engine that is not yet known may be able to
        refusals = list(_refusals(_job_of(self, request), workers).values())
        return refusals[0] if refusals and all(refusals) else None

    @override
    async def dispatch(self, worker: Worker, request: InferenceRequest, sink: Sink, lease: Lease) -> None:
        assert isinstance(worker, GrpcWorker)  # noqa: S101  (one of our own candidates)
        await _job_of(self, request).answer(worker, sink)
        lease.settle(Outcome.SUCCEEDED)


def _job_of(router: GrpcRouter, request: InferenceRequest) -> Job:
    job = request.parsed[router]
    assert isinstance(job, Job)  # noqa: S101  (set by check)
    return job


def _could_serve(worker: Worker, model: str) -> TypeGuard[GrpcWorker]:
    return isinstance(worker, GrpcWorker) and worker.worker_type is WorkerType.REGULAR and worker.serves(model)


def _refusals(job: Job, workers: Iterable[GrpcWorker]) -> dict[Dialect, GatewayError | None]:
    """Return for each protocol among ``workers`` why its engines cannot do the job; None if they can."""
    return {dialect: _refusal(job, dialect) for dialect in dict.fromkeys(worker.dialect for worker in workers)}


def _refusal(job: Job, dialect: Dialect) -> GatewayError | None:
    try:
        job.refuse(dialect)
    except GatewayError as error:
        return error
    return None
