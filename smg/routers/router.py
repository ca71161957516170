"""What every router does: check, offer, dispatch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.errors import GatewayError
    from smg.core.request import InferenceRequest, Sink
    from smg.workers.lease import Lease
    from smg.workers.worker import Worker


class Router(ABC):
    """Serves callers by the workers of one connection mode.

    A model that is served in several modes has several routers: each offers its candidates, one policy
    picks over the union, and the router whose worker was picked dispatches.
    """

    @abstractmethod
    def registered(self, request: InferenceRequest) -> bool:
        """Whether this router has any worker for the request's model, available or not."""

    @abstractmethod
    def check(self, request: InferenceRequest) -> None:
        """Refuse what no worker of this mode could ever serve, before any pick.

        Called once per request, only where ``registered``; keeps what it decoded in ``request.parsed``.

        Raises:
            DownstreamError: The request is at fault.
        """

    @abstractmethod
    def candidates(self, request: InferenceRequest) -> Sequence[Worker]:
        """Return the available workers that could serve the request now."""

    @abstractmethod
    def refusal(self, request: InferenceRequest) -> GatewayError | None:
        """Return why none of this router's workers can ever serve the request; None if some could."""

    @abstractmethod
    async def dispatch(self, worker: Worker, request: InferenceRequest, sink: Sink, lease: Lease) -> None:
        """Have ``worker``, one of ``candidates``, answer into ``sink``, to the last byte.

        Settles ``lease`` when the answer was whole. Until ``sink.head`` is there every failure is raised with
        nothing written, so that another worker may be tried.

        Raises:
            DownstreamError: The engine refused the request as the caller's fault.
            UpstreamError: The worker failed.
        """
