"""One generation over one call: messages in, deltas out, and an end that the engine always learns of."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import grpc.aio

from smg.core.errors import GatewayError, Retry, StaleConnectionError, UpstreamError, UpstreamTimeoutError
from smg.wire.engines.reading import UnaskedAnswerError
from smg.workers.grpc_calls import decode
from smg.workers.grpc_errors import GRPC_FAILURES, grpc_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self._first: Delta | None = None
        self._spoken = False
        self._flowing = False
        self.ended = False

    async def open(self) -> None:
        """Wait for the first output; raises UpstreamError, or the caller's fault as the dialect reads it.

        What comes before and holds none is no beginning: its counts are repeated by what follows.
        """
        first = await anext(self)
        while not self._flowing:
            first = await anext(self)
        self._first = first

    def __aiter__(self) -> Self:
        """Go over the first output's delta, then that of each next message, to the last finish; raises as ``open``.

        How the call ends after that says nothing of the answers, which are whole.
        """
        return self

    async def __anext__(self) -> Delta:
        delta, self._first = self._first, None
        if delta is None and self.ended:
            raise StopAsyncIteration
        while delta is None:
            try:
                raw = await self._call.read()
            except GRPC_FAILURES:  # judged only now: a context per message costs as much as the message
                with self._judged():
                    raise
            if raw is grpc.aio.EOF:
                self.ended = True
                raise self._broken_off()
            delta = self._take(raw)
        return delta

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Raise what a failed read means; after our own deadline the engine may well go on, and must be told."""
        try:
            with grpc_errors(self._worker_id, self._dialect):
                yield
        except UpstreamTimeoutError:
            raise
        except StaleConnectionError as error:
            self.ended = True
            if self._spoken:  # it cannot have left out what it has begun to answer
                raise self._broken_off() from error
            raise
        except GatewayError:
            self.ended = True
            raise

    def _take(self, raw: bytes) -> Delta | None:
        """Return what is new in one message, and take note of it."""
        self._spoken = True
        delta = self._read(raw)
        if self._flowing:
            self._watch.chunk()
        else:
            self._mark(delta)
        if delta is not None and delta.finish is not None:
            self._awaited -= 1
            self.ended = self._awaited <= 0
        return delta

    def _mark(self, delta: Delta | None) -> None:
        """Tell the clocks how far it has come; a message without output is a sign of life only."""
        if delta is not None and _holds_output(delta):
            self._flowing = True
            self._watch.output()
        else:
            self._watch.head()
            self._watch.chunk()

    def _broken_off(self) -> UpstreamError:
        what = "broke off its answer" if self._flowing else "ended without an answer"
        return UpstreamError(self._worker_id, f"the worker {what}", retry=Retry.IF_IDEMPOTENT)

    def _read(self, raw: bytes) -> Delta | None:
        message = decode(self._worker_id, self._dialect.generate, raw)
        try:
            return self._reader.read(message)
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


def _holds_output(delta: Delta) -> bool:
    """Whether there is something of an answer in it: this is what the first token, and the commit, wait for."""
    return bool(delta.token_ids or delta.finish or delta.prompt_logprobs)


def _cancel(call: Any) -> None:
    if not call.done():
        call.cancel()


def _see_off(call: Any, secs: float) -> None:
    """Cancel ``call`` unless it ends within ``secs``; at once it would look to the engine like a caller who left."""
    if secs <= 0:
        _cancel(call)
    elif not call.done():
        asyncio.get_running_loop().call_later(LOOK_SECS, _see_off, call, secs - LOOK_SECS)
