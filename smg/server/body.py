"""The request's body: read once, whole, within a size and a pace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp.web import RequestPayloadError

from smg.core.errors import BadFramingError, PayloadTooLargeError, RequestTimeoutError

if TYPE_CHECKING:
    from aiohttp import web

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Body:
    """Reads one request's body when it is called.

    Nothing is read, and a caller who waits for ``100 Continue`` sends nothing, before the call.
    """

    def __init__(self, http: web.BaseRequest, *, max_bytes: int, idle_secs: float) -> None:
        self._http = http
        self._max_bytes = max_bytes
        self._idle_secs = idle_secs

    async def __call__(self) -> bytes:
        """Return the whole body.

        Raises:
            PayloadTooLargeError: By the length the head names, before reading, or at the limit.
            RequestTimeoutError: No byte came for the idle limit.
            BadFramingError: The body's framing is broken.
        """
        self._check_size(self._http.content_length or 0)
        if self._http.content.is_eof():
            return self._checked(self._http.content.read_nowait(-1))
        self._invite()
        try:
            return await self._read()
        except TimeoutError as error:
            raise RequestTimeoutError("the request's body came too slowly") from error
        except RequestPayloadError as error:
            raise BadFramingError("the request's body is not well framed") from error

    async def _read(self) -> bytes:
        body = bytearray()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._idle_secs) as deadline:
            while chunk := await self._http.content.readany():
                body += chunk
                self._check_size(len(body))
                deadline.reschedule(loop.time() + self._idle_secs)
        return bytes(body)

    def _checked(self, body: bytes) -> bytes:
        self._check_size(len(body))
        return body

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise PayloadTooLargeError(f"the request's body is larger than {self._max_bytes} bytes")

    def _invite(self) -> None:
        expects = self._http.headers.get("Expect", "").lower() == "100-continue"
        if expects and self._http.transport is not None and not self._http.content.total_bytes:
            self._http.transport.write(CONTINUE)
