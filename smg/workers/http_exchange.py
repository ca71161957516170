"""One request to an HTTP engine and its answer, over one connection that is given back or closed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from smg.core.errors import Retry, UpstreamError
from smg.workers.http_connector import stale_errors
from smg.workers.http_session import WholeBody
from smg.workers.upstream_errors import closed_errors, http_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from smg.core.request import RawHeaders
    from smg.core.words import WorkerId
    from smg.workers.watch import Watch


class HttpAnswer:
    """An engine's answer whose head is in.

    Attributes:
        status: 100 to 999, as the engine sent it; redirects are not followed.
        headers: As they came, repeats kept, the body's coding untouched.
        length: Bytes of the body as the engine announced it; None where it did not.
        content_type: In lower case, without parameters; empty where it named none.
        watch: The exchange's clocks; who reads the body tells them of output and of pauses.
    """

    __slots__ = ("_response", "_worker_id", "content_type", "headers", "length", "status", "watch")

    def __init__(self, worker_id: WorkerId, response: aiohttp.ClientResponse, watch: Watch) -> None:
        self._worker_id = worker_id
        self._response = response
        self.watch = watch
        self.status = response.status
        self.headers: RawHeaders = response.raw_headers
        self.length = response.content_length
        named = next((value for name, value in self.headers if name.lower() == b"content-type"), b"")
        self.content_type = named.partition(b";")[0].strip().lower()

    async def read(self, limit_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            UpstreamError: The body is longer than ``limit_bytes``, or broke off.
        """
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit_bytes:
                raise UpstreamError(self._worker_id, "the worker's answer is too long", retry=Retry.NEVER)
        return bytes(body)

    def break_off(self) -> None:
        """Fail whoever waits for the body: closing a session leaves its readers waiting."""
        self._response.content.set_exception(aiohttp.ServerDisconnectedError())

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come; raises UpstreamError where it breaks off or is late."""
        content = self._response.content
        while True:
            with http_errors(self._worker_id), closed_errors(self._worker_id):
                chunk = await content.readany()
            if not chunk:
                return
            self.watch.chunk()
            yield chunk


@asynccontextmanager
async def exchange(  # noqa: PLR0913, PLR0917 - one per part of a request
    worker_id: WorkerId,
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    body: bytes | None,
    *,
    running: set[HttpAnswer],
    watch: Watch,
    server_name: str | None = None,
) -> AsyncIterator[HttpAnswer]:
    """Send exactly one request and yield when the head is in; leaving before the body's end closes the connection.

    ``watch`` ends it all when one of its clocks runs out. The answer stands in ``running`` meanwhile, so that whoever
    closes the session can break it off.
    """
    async with watch:
        with http_errors(worker_id), closed_errors(worker_id), stale_errors(worker_id):
            response = await session.request(
                method,
                URL(url, encoded=True),
                headers=_spelt_alike(headers),
                data=None if body is None else WholeBody(body, watch.sent),
                allow_redirects=False,
                server_hostname=server_name,
            )
        watch.head()
        answer = HttpAnswer(worker_id, response, watch)
        running.add(answer)
        try:
            yield answer
        finally:
            running.discard(answer)
            response.close()  # after the body's end the connection is back in the pool, and this does nothing


def _spelt_alike(headers: Sequence[tuple[str, str]]) -> CIMultiDict[str]:
    """Return the fields with every repeat spelt as its first: aiohttp would keep but the last of two spellings."""
    spelling: dict[str, str] = {}
    return CIMultiDict((spelling.setdefault(name.lower(), name), value) for name, value in headers)
