"""An answer on its way: the head is framed here, the bytes go straight to the transport."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from mypy_extensions import trait
from typing_extensions import override

from smg.core.request import Sink
from smg.wire.http_chunks import BREAK, size_line
from smg.wire.http_fields import field_lines, known_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from smg.core.request import ReplyHead

NO_CONTENT, NOT_MODIFIED = HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value
BODILESS_STATUSES: Final = frozenset({NO_CONTENT, NOT_MODIFIED})
STATUS_LINES: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
CLOSE: Final = b"connection: close\r\n"
KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


class WallDate:
    """The ``Date`` field, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._field = b""

    def line(self) -> bytes:
        """Return the present time as a line of the head."""
        if (second := int(time.time())) != self._second:
            self._second = second
            self._field = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._field


@trait
class Channel(ABC):
    """The connection, as an answer sees it.

    Attributes:
        full: The caller takes less than it is sent: its buffer is at the limit.
    """

    __slots__ = ()

    full: bool

    @property
    @abstractmethod
    def keepable(self) -> bool:
        """Whether another request may follow on this connection."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Hand bytes to the network; they are dropped once the caller has gone."""

    @abstractmethod
    def drain(self) -> Coroutine[None, None, None]:
        """Wait until the buffer has room; raises ConnectionResetError if the caller has gone."""


class HttpSink(Sink):
    """Takes the answer to one request.

    The head waits for the first body bytes and leaves with them. A body of unknown length is sent in chunks,
    or to the connection's end where the caller speaks HTTP/1.0.

    Attributes:
        keep_alive: From ``start`` on: another request may follow this answer.
        finished: The whole answer was handed over.
    """

    __slots__ = (
        *("_bodiless", "_changes", "_channel", "_chunked", "_date", "_left", "_modern", "_pending"),
        *("finished", "keep_alive"),
    )

    def __init__(self, channel: Channel, date: WallDate, *, modern: bool, bodiless: bool, keep_alive: bool) -> None:
        super().__init__()
        self._channel = channel
        self._date = date
        self._modern = modern
        self._bodiless = bodiless
        self._chunked = False
        self._pending = b""
        self._left: int | None = None
        self._changes: list[Callable[[ReplyHead], ReplyHead]] = []
        self.keep_alive = keep_alive
        self.finished = False

    @property
    @override
    def paused(self) -> bool:
        """Whether the head is still here, or the connection's buffer is full."""
        return self._channel.full or bool(self._pending)

    @override
    def amend(self, change: Callable[[ReplyHead], ReplyHead]) -> None:
        """Have the head changed when it is handed over; the last to ask is the first to change it."""
        self._changes.append(change)

    @override
    def start(self, head: ReplyHead) -> None:
        """Commit to this answer.

        Raises:
            RuntimeError: It was started before.
            ValueError: A field holds a line break.
        """
        if self.head is not None:
            raise RuntimeError("the answer has been started already")
        for change in reversed(self._changes):
            head = change(head)
        self._bodiless = self._bodiless or head.status in BODILESS_STATUSES
        self._chunked = head.length is None and self._modern and not self._bodiless
        self.keep_alive = (
            self.keep_alive and self._channel.keepable and (self._modern or self._bodiless or head.length is not None)
        )
        self._pending = self._framed(head)
        self._left = head.length
        self.head = head

    @override
    def write(self, data: bytes) -> None:
        """Hand body bytes to the connection.

        Raises:
            RuntimeError: They are more than the head said; the answer must be aborted.
        """
        if not data or self._bodiless:
            return
        if self._chunked:
            data = size_line(len(data)) + data + BREAK
        elif self._left is not None:
            self._left -= len(data)
            self._check_length(self._left >= 0)
        if self._pending:
            data, self._pending = self._pending + data, b""
        self._channel.send(data)

    @override
    def drain(self) -> Coroutine[None, None, None]:
        """Wait until the connection takes more.

        Raises:
            ConnectionResetError: The caller has gone, or took nothing for the stall limit and was cut off.
        """
        self._flush(b"")
        return self._channel.drain()

    @override
    def finish(self) -> None:
        """End the body.

        Raises:
            RuntimeError: The body is not as long as the head said; the answer must be aborted.
        """
        self._check_length(not self._left or self._bodiless)
        self._flush(LAST_CHUNK if self._chunked else b"")
        self.finished = True

    @staticmethod
    def _check_length(right: bool) -> None:  # noqa: FBT001
        if not right:
            raise RuntimeError("the answer's body does not have the length its head names")

    def _flush(self, end: bytes) -> None:
        if data := self._pending + end:
            self._pending = b""
            self._channel.send(data)

    def _framed(self, head: ReplyHead) -> bytes:
        line = STATUS_LINES.get(head.status) or b"HTTP/1.1 %d Unknown\r\n" % head.status
        fields = known_lines[head.headers] + field_lines(head.own)
        return b"".join((line, fields, self._date.line(), self._length(head), self._option(), b"\r\n"))

    def _length(self, head: ReplyHead) -> bytes:
        if head.length is not None and head.status != NO_CONTENT:
            return b"content-length: %d\r\n" % head.length
        return CHUNKED if self._chunked else b""

    def _option(self) -> bytes:
        if self.keep_alive == self._modern:
            return b""
        return KEEP_ALIVE if self.keep_alive else CLOSE
