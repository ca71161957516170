"""A job: one request, decoded once, answered by whichever worker is picked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.clock import Clock
from smg.resilience.clock_headers import with_overrides
from smg.routers.grpc.encoding import Reader
from smg.text.encoder import Encoder
from smg.workers.watch import Watch

if TYPE_CHECKING:
    from smg.core.errors import GatewayError
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.grpc.run import Watching
    from smg.wire.engines.dialect import Dialect
    from smg.workers.grpc_worker import GrpcWorker


@dataclass(frozen=True, slots=True)
class Kit:
    """What jobs are handed instead of reaching for it.

    Attributes:
        encoder: Renders and tokenizes off the event loop.
        clock: For how long an answer took.
        wall: Seconds since 1970, for the answer's ``created``.
    """

    encoder: Encoder
    clock: Clock
    wall: Callable[[], float]


class Job(ABC):
    """One request of one endpoint; making it is the check of its body.

    Raises:
        InvalidRequestError: The body is at fault.
    """

    def __init__(self, request: InferenceRequest, kit: Kit) -> None:
        self._request = request
        self._kit = kit

    def _reader(self, worker: GrpcWorker) -> Reader:
        """Return what reads prompts for ``worker``, and refuses those that cannot fit in its context."""
        return Reader(worker.tokenizer, self._kit.encoder, context_length(worker, self._request.model))

    def _watching(self, worker: GrpcWorker) -> Watching:
        """Return what makes the clocks of each call to ``worker``, as the caller wants them.

        Raises:
            InvalidRequestError: It does not say so well.
        """
        own = worker.settings.timeouts
        clocks = with_overrides(own, self._request.headers)
        return lambda stream: Watch(
            worker.id, clocks, worker.alarms, stream=stream, began_at=self._request.began_at, own=own
        )

    @abstractmethod
    def refuse(self, dialect: Dialect) -> None:
        """Raise a GatewayError if engines that speak ``dialect`` cannot do what is asked."""

    @abstractmethod
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        """Have ``worker`` answer, to the last byte; until the sink is started nothing is written.

        Raises:
            DownstreamError: The prompt is at fault, or the engine refused the request.
            UpstreamError: The worker failed.
        """


class UnservableJob(Job):
    """What no gRPC engine can do; only workers of another mode are left to do it."""

    def __init__(self, error: GatewayError) -> None:
        self._error = error

    @override
    def refuse(self, dialect: Dialect) -> None:
        raise self._error

    @override
    async def answer(self, worker: GrpcWorker, sink: Sink) -> None:
        raise self._error


def context_length(worker: GrpcWorker, model: str) -> int | None:
    """Return the tokens of prompt and answer together: as the operator says, else the engine, else the model."""
    name = worker.canonical(model)
    card = next((card for card in worker.models if card.id == name), None)
    known: int | None = worker.facts.context_length or worker.tokenizer.context_length
    return card.context_length or known if card is not None else known
