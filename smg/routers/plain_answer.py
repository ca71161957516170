"""A worker's plain answer relayed to a caller: one that is not too large is held back until it is known to be one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.core.request import ReplyHead
from smg.core.words import Endpoint
from smg.wire.told import BrokenJsonError, told_error

if TYPE_CHECKING:
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.judge import Judge
    from smg.workers.http_answer import HttpAnswer

WHOLE_BYTES: Final = 1 << 20
"""A plain answer up to this size is read whole before the caller sees its head, so that a worker which breaks off in
it, or answers with something else, can be replaced."""

OBJECTS: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS})
"""Answered with a JSON object by every engine; elsewhere some answer with an array."""

EVENTS: Final = b"text/event-stream"
BINARY: Final = (Endpoint.EMBEDDINGS, b"application/octet-stream")
"""Embeddings may be asked for as bare numbers."""


class PlainAnswer:
    """One answer under way from a worker to a sink."""

    def __init__(self, request: InferenceRequest, answer: HttpAnswer, judge: Judge) -> None:
        self._request = request
        self._answer = answer
        self._judge = judge

    async def pass_on(self, head: ReplyHead, sink: Sink) -> None:
        """Relay to the last byte.

        Raises:
            UpstreamError: The answer broke off; or it was short enough to be looked at, and is none.
        """
        self._answer.watch.output()
        begun, ended = await self._begin(self._most_held())
        if ended:
            self._check(begun)
            head = ReplyHead(head.status, head.headers, len(begun))
        sink.start(head)
        sink.write(begun)
        if not ended:
            await self._go_on(sink)
        sink.finish()

    async def _begin(self, most: int) -> tuple[bytes, bool]:
        """Take the body, or a little more than ``most`` of it; return what came, and whether it has ended."""
        if (whole := self._answer.at_once()) is not None:
            return whole, True
        begun = bytearray()

        def take(data: bytes) -> bool:
            begun.extend(data)
            return len(begun) <= most

        more = await self._answer.pour(take)
        return bytes(begun), not more

    async def _go_on(self, sink: Sink) -> None:
        """Hand the rest on, as fast as the caller takes it."""

        def take(data: bytes) -> bool:
            sink.write(data)
            return not sink.paused

        await self._answer.watch.drained(sink)
        while await self._answer.pour(take):
            await self._answer.watch.drained(sink)

    def _most_held(self) -> int:
        """Return how much may be held back: nothing of what will be too large, nor of a stream in a coding."""
        passing = (self._answer.length or 0) > WHOLE_BYTES or self._answer.content_type == EVENTS
        return 0 if passing else WHOLE_BYTES

    def _check(self, body: bytes) -> None:
        """Raise the error for a body that is no answer.

        One that came at once though it is too large is not looked into, nor one in a coding that was asked for.
        """
        if (
            len(body) > WHOLE_BYTES
            or self._answer.codings
            or (self._request.endpoint, self._answer.content_type) == BINARY
        ):
            return
        try:
            error = told_error(body, or_list=self._request.endpoint not in OBJECTS)
        except BrokenJsonError as broken:
            raise self._judge.broken("the worker did not answer in json") from broken
        if error is not None:
            raise self._judge.told(error)
