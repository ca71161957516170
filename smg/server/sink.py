"""An answer on its way over one HTTP/1 connection: the head is framed here, the bytes go straight to the transport."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

if TYPE_CHECKING:
    from smg.core.request import RawHeaders, ReplyHead

BODILESS_STATUSES = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
REASONS = {status.value: status.phrase for status in HTTPStatus}


class WallDate:
    """The ``Date`` field's value, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def __call__(self) -> bytes:
        """Return the present time as HTTP spells it."""
        if (second := int(time.time())) != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode()
        return self._text


class WebSink:
    """Implements ``Sink`` over a request of aiohttp's low-level server.

    The head waits for the first body bytes and leaves with them. A body of unknown length is sent in chunks,
    or to the connection's end where the caller speaks HTTP/1.0.
    """

    def __init__(self, http: web.BaseRequest, *, date: WallDate, stall_secs: float) -> None:
        self._http = http
        self._date = date
        self._stall_secs = stall_secs
        self._pending: bytes | None = None
        self._bodiless = False
        self._chunked = False
        self._left: int | None = None
        self.started = False
        self.finished = False
        self.keep_alive = http.keep_alive and "Upgrade" not in http.headers

    @property
    def paused(self) -> bool:
        """Whether the head is still here, or the connection's buffer is full."""
        return self._pending is not None or self._http.protocol.writing_paused

    def start(self, head: ReplyHead) -> None:
        """Commit to this answer.

        Raises:
            RuntimeError: It was started before, or a field holds a line break.
        """
        if self.started:
            raise RuntimeError("the answer has been started already")
        self._bodiless = self._http.method == "HEAD" or head.status in BODILESS_STATUSES
        self._pending = self._framed(head)
        self._left = head.length
        self.started = True

    def write(self, data: bytes) -> None:
        """Hand body bytes to the connection.

        Raises:
            RuntimeError: They are more than the head said; the answer must be aborted.
        """
        if not data or self._bodiless:
            return
        if self._left is not None:
            self._left -= len(data)
            self._check_length(self._left >= 0)
        head, self._pending = self._pending or b"", None
        self._send(b"%b%x\r\n%b\r\n" % (head, len(data), data) if self._chunked else head + data)

    async def drain(self) -> None:
        """Wait until the connection takes more.

        Raises:
            ConnectionResetError: The caller has gone, or took nothing for the stall limit and was cut off.
        """
        self._flush_head()
        protocol = self._http.protocol
        if protocol.writing_paused:
            await self._unstall()
        if self._http.transport is None or self._http.transport.is_closing():
            raise ConnectionResetError("the caller has gone")

    def finish(self) -> None:
        """End the body.

        Raises:
            RuntimeError: The body is not as long as the head said; the answer must be aborted.
        """
        self._check_length(not self._left or self._bodiless)
        self._flush_head()
        if self._chunked and not self._bodiless:
            self._send(b"0\r\n\r\n")
        self.finished = True

    def abort(self) -> None:
        """Cut the connection, so that what was sent cannot pass for the whole."""
        self.keep_alive = False
        if self._http.transport is not None:
            self._http.transport.abort()

    @staticmethod
    def _check_length(right: bool) -> None:  # noqa: FBT001
        if not right:
            raise RuntimeError("the answer's body does not have the length its head names")

    def _flush_head(self) -> None:
        if self._pending is not None:
            head, self._pending = self._pending, None
            self._send(head)

    async def _unstall(self) -> None:
        try:
            async with asyncio.timeout(self._stall_secs):
                await self._http.writer.drain()
        except TimeoutError as error:
            self.abort()
            raise ConnectionResetError("the caller takes nothing") from error

    def _send(self, data: bytes) -> None:
        transport = self._http.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def _framed(self, head: ReplyHead) -> bytes:
        status = f"HTTP/1.1 {head.status} {REASONS.get(head.status, 'Unknown')}"
        lines = [status.encode(), *(b"%b: %b" % field for field in (*head.headers, *self._framing(head)))]
        block = b"\r\n".join((*lines, b"", b""))
        if block.count(b"\n") != len(lines) + 1 or block.count(b"\r") != len(lines) + 1:
            raise RuntimeError("a field of the answer's head holds a line break")
        return block

    def _framing(self, head: ReplyHead) -> RawHeaders:
        modern = self._http.version >= HttpVersion11
        self._chunked = head.length is None and modern
        self.keep_alive = self.keep_alive and self._http.content.is_eof() and (modern or head.length is not None)
        fields = [(b"date", self._date())]
        if head.length is not None and head.status != HTTPStatus.NO_CONTENT:
            fields.append((b"content-length", b"%d" % head.length))
        elif self._chunked and not self._bodiless:
            fields.append((b"transfer-encoding", b"chunked"))
        if self.keep_alive != modern:
            fields.append((b"connection", b"keep-alive" if self.keep_alive else b"close"))
        return tuple(fields)


class Sent(web.StreamResponse):
    """Tells aiohttp that the answer is on its way already."""

    def __init__(self, sink: WebSink) -> None:
        super().__init__()
        if not sink.keep_alive:
            self.force_close()
        self._keep_alive = sink.keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing: the head was sent."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the body was ended."""
