"""One generation over one call: messages in, deltas out, and an end that the engine always learns of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc.aio

from smg.core.errors import GatewayError, Retry, StaleConnectionError, UpstreamError, UpstreamTimeoutError
from smg.wire.engines.reading import UnaskedAnswerError
from smg.workers.grpc_calls import decode
from smg.workers.grpc_errors import grpc_errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from smg.core.generation import Delta, Generation
    from smg.core.words import WorkerId
    from smg.wire.engines.dialect import Dialect
    from smg.workers.watch import Watch


LAST_STATUS_SECS = 1.0
"""How long a call may take to end after every answer has finished, before it is cancelled; nobody waits for it."""
LOOK_SECS = 0.05
"""How often is looked whether it has: a call that is kept longer than it lasts keeps its request and connection."""


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
        self._spoken = False
        self.ended = False

    async def open(self) -> None:
        """Wait for the first output; raises UpstreamError, or the caller's fault as the dialect reads it.

        What comes before and holds none is no beginning: its counts are repeated by what follows.
        """
        deltas: list[Delta] | None = []
        while deltas is not None and not _hold_output(deltas):
            deltas = await self._next()
        if deltas is None:
            raise UpstreamError(self._worker_id, "the worker ended without an answer", retry=Retry.IF_IDEMPOTENT)
        self._first = deltas

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """Yield the first output's deltas, then those of each next message, to the last finish; raises as ``open``.

        How the call ends after that says nothing of the answers, which are whole.
        """
        batch: list[Delta] | None = self._first
        while batch is not None:
            for delta in batch:
                yield delta
            if self.ended:
                return
            batch = await self._next()
        raise self._broken_off()

    async def _next(self) -> list[Delta] | None:
        """Read one message; None at the end of the stream."""
        try:
            with grpc_errors(self._worker_id, self._dialect):
                raw = await self._call.read()
        except UpstreamTimeoutError:
            raise  # our own deadline: the engine may well go on, and must be told
        except StaleConnectionError as error:
            self.ended = True
            if self._spoken:  # it cannot have left out what it has begun to answer
                raise self._broken_off() from error
            raise
        except GatewayError:
            self.ended = True
            raise
        if raw is grpc.aio.EOF:
            self.ended = True
            return None
        self._spoken = True
        deltas = self._read(raw)
        self._mark(deltas)
        self._awaited -= sum(delta.finish is not None for delta in deltas)
        self.ended = self._awaited <= 0
        return deltas

    def _mark(self, deltas: Iterable[Delta]) -> None:
        """Tell the clocks; a message without output is a sign of life only."""
        if _hold_output(deltas):
            self._watch.output()
        else:
            self._watch.head()
            self._watch.chunk()

    def _broken_off(self) -> UpstreamError:
        return UpstreamError(self._worker_id, "the worker broke off its answer", retry=Retry.IF_IDEMPOTENT)

    def _read(self, raw: bytes) -> list[Delta]:
        message = decode(self._worker_id, self._dialect.generate, raw)
        try:
            return list(self._reader.read(message))
        except UnaskedAnswerError as error:
            text = "the worker sent an answer that nobody asked for"
            raise UpstreamError(self._worker_id, text, retry=Retry.IF_IDEMPOTENT) from error

    def close(self) -> bool:
        """Cancel the call unless it is over, or about to be; return whether the engine has to be told to stop."""
        if self._awaited > 0:
            _cancel(self._call)
        else:
            _see_off(self._call, LAST_STATUS_SECS)
        return not self.ended


def _hold_output(deltas: Iterable[Delta]) -> bool:
    """Whether there is something of an answer in them: this is what the first token, and the commit, wait for."""
    return any(delta.token_ids or delta.finish or delta.prompt_logprobs for delta in deltas)


def _cancel(call: Any) -> None:
    if not call.done():
        call.cancel()


def _see_off(call: Any, secs: float) -> None:
    """Cancel ``call`` unless it ends within ``secs``; at once it would look to the engine like a caller who left."""
    if secs <= 0:
        _cancel(call)
    elif not call.done():
        asyncio.get_running_loop().call_later(LOOK_SECS, _see_off, call, secs - LOOK_SECS)
