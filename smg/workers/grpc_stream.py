"""One generation over one call: messages in, deltas out, and an end that the engine always learns of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc.aio

from smg.core.errors import GatewayError, Retry, UpstreamError, UpstreamTimeoutError
from smg.workers.grpc_calls import decode
from smg.workers.grpc_errors import grpc_errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from smg.core.generation import Delta, Generation
    from smg.core.words import WorkerId
    from smg.wire.engines.dialect import Dialect
    from smg.workers.watch import Watch


class GenerationStream:
    """Reads one generation's call.

    Attributes:
        ended: The engine has nothing left to do for it: every answer finished, or the call failed by itself.
    """

    def __init__(  # noqa: PLR0917 - one per part of a call
        self, worker_id: WorkerId, dialect: Dialect, generation: Generation, call: Any, watch: Watch
    ) -> None:
        self._worker_id = worker_id
        self._watch = watch
        self._dialect = dialect
        self._call = call
        self._reader = dialect.reader(generation)
        self._awaited = generation.sampling.n
        self._first: list[Delta] = []
        self.ended = False

    async def open(self) -> None:
        """Wait for the first message; raises UpstreamError, or the caller's fault as the dialect reads it."""
        deltas = await self._next()
        if deltas is None:
            raise UpstreamError(self._worker_id, "the worker ended without an answer", retry=Retry.IF_IDEMPOTENT)
        self._first = deltas

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """Yield the first message's deltas, then those of each next one; raises as ``open`` does."""
        batch: list[Delta] | None = self._first
        while batch is not None:
            for delta in batch:
                yield delta
            batch = await self._next()
        if self._awaited > 0:
            raise UpstreamError(self._worker_id, "the worker broke off its answer", retry=Retry.IF_IDEMPOTENT)

    async def _next(self) -> list[Delta] | None:
        """Read one message; None at the end of the stream."""
        try:
            with grpc_errors(self._worker_id, self._dialect):
                raw = await self._call.read()
        except UpstreamTimeoutError:
            raise  # our own deadline: the engine may well go on, and must be told
        except GatewayError:
            self.ended = True
            raise
        if raw is grpc.aio.EOF:
            self.ended = True
            return None
        self._watch.output()
        deltas = list(self._reader.read(decode(self._worker_id, self._dialect.generate, raw)))
        self._awaited -= sum(delta.finish is not None for delta in deltas)
        self.ended = self._awaited <= 0
        return deltas

    def close(self) -> bool:
        """Cancel the call unless it is over; return whether the engine has to be told to stop."""
        if not self._call.done():
            self._call.cancel()
        return not self.ended
