"""A worker's body on its way through: taken out of its framing piece by piece, never held.

Theory: a streaming engine sends each event as one chunk and the network hands it over as one read, so that is looked
for first, and costs a comparison and a slice. Whatever else comes, at any split, goes through the strict machine that
reads callers' chunks.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar, Protocol

from smg.wire.http_chunks import ChunkedBody, one_chunk

if TYPE_CHECKING:
    from smg.wire.answer_head import AnswerHead


class AnswerBody(Protocol):
    """Takes a body out of its framing.

    Attributes:
        endless: Only the connection's end ends it; then it is never ``done``.
        done: Its end has been seen.
        beyond: More came behind its end, so the connection cannot be trusted with another request.
    """

    endless: ClassVar[bool]
    done: bool
    beyond: bool

    def feed(self, data: bytes) -> bytes:
        """Return what of ``data`` is body; raises BadFramingError or PayloadTooLargeError where it is malformed."""
        ...


class SizedBody:
    """A body of a known length."""

    __slots__ = ("_left", "beyond", "done")
    endless: ClassVar[bool] = False

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = not length
        self.beyond = False

    def feed(self, data: bytes) -> bytes:
        """Return what of ``data`` is body."""
        self.beyond = len(data) > self._left
        if self.beyond:
            data = data[: self._left]
        self._left -= len(data)
        self.done = not self._left
        return data


class ChunkyBody:
    """A body in chunks."""

    __slots__ = ("_between", "_machine", "beyond", "done")
    endless: ClassVar[bool] = False

    def __init__(self) -> None:
        self._machine = ChunkedBody(sys.maxsize)
        self._between = True
        self.done = False
        self.beyond = False

    def feed(self, data: bytes) -> bytes:
        """Return what of ``data`` is body."""
        return (self._between and one_chunk(data)) or self._worked_out(data)

    def _worked_out(self, data: bytes) -> bytes:
        machine = self._machine
        self.beyond = bool(machine.feed(data))
        self.done, self._between = machine.done, machine.between
        body, machine.content = bytes(machine.content), bytearray()
        return body


class EndlessBody:
    """A body that the connection's end ends."""

    __slots__ = ("beyond", "done")
    endless: ClassVar[bool] = True

    def __init__(self) -> None:
        self.done = False
        self.beyond = False

    @staticmethod
    def feed(data: bytes) -> bytes:
        """Return ``data``, which is all body."""
        return data


def body_of(head: AnswerHead) -> AnswerBody:
    """Return what takes the body behind ``head`` out of its framing."""
    if head.chunked:
        return ChunkyBody()
    return EndlessBody() if head.length is None else SizedBody(head.length)
