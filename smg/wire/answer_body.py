"""A worker's body on its way through: taken out of its framing piece by piece, never held.

Theory: a streaming engine sends each event as one chunk and the network hands it over as one read, so that is looked
for first, and costs a comparison and a slice. Whatever else comes, at any split, goes through the strict machine that
reads callers' chunks.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from smg.wire.http_chunks import ChunkedBody, one_chunk

if TYPE_CHECKING:
    from smg.wire.answer_head import AnswerHead


class AnswerBody(ABC):
    """Takes a body out of its framing.

    Attributes:
        endless: Only the connection's end ends it; then it is never ``done``.
        done: Its end has been seen.
        beyond: More came behind its end, so the connection cannot be trusted with another request.
    """

    endless: ClassVar[bool] = False

    def __init__(self, *, done: bool = False) -> None:
        self.done = done
        self.beyond = False

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Return what of ``data`` is body; raises BadFramingError or PayloadTooLargeError where it is malformed."""


class SizedBody(AnswerBody):
    """A body of a known length."""

    def __init__(self, length: int) -> None:
        super().__init__(done=not length)
        self._left = length

    @override
    def feed(self, data: bytes) -> bytes:
        self.beyond = len(data) > self._left
        if self.beyond:
            data = data[: self._left]
        self._left -= len(data)
        self.done = not self._left
        return data


class ChunkyBody(AnswerBody):
    """A body in chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._machine = ChunkedBody(sys.maxsize)
        self._between = True

    @override
    def feed(self, data: bytes) -> bytes:
        return (self._between and one_chunk(data)) or self._worked_out(data)

    def _worked_out(self, data: bytes) -> bytes:
        machine = self._machine
        self.beyond = bool(machine.feed(data))
        self.done, self._between = machine.done, machine.between
        body, machine.content = bytes(machine.content), bytearray()
        return body


class EndlessBody(AnswerBody):
    """A body that the connection's end ends."""

    endless: ClassVar[bool] = True

    @override
    def feed(self, data: bytes) -> bytes:
        return data


def body_of(head: AnswerHead) -> AnswerBody:
    """Return what takes the body behind ``head`` out of its framing."""
    if head.chunked:
        return ChunkyBody()
    return EndlessBody() if head.length is None else SizedBody(head.length)
