"""Where a gRPC worker's tokenizer comes from; who can load one is above this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from smg.workers.grpc_worker import GrpcWorker


class TokenizerMissingError(Exception):
    """No tokenizer can be had for a worker now; the message says why and reaches the worker's reason."""


class TokenizerSource(Protocol):
    """Finds the tokenizer of a worker's model and lends it."""

    async def attach(self, worker: GrpcWorker) -> None:
        """Set ``worker.tokenizer``; called again after a failure and after the engine restarted.

        Raises:
            TokenizerMissingError: There is none now.
            UpstreamError: The engine, asked for its own, failed.
        """
        ...

    async def detach(self, worker: GrpcWorker) -> None:
        """Give back what ``attach`` lent; called once the worker is closed, even if nothing was lent."""
        ...
