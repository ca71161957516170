"""One request to an HTTP engine and its answer over aiohttp's session: through TLS, and through proxies."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from typing_extensions import override
from yarl import URL

from smg.workers.http_answer import HttpAnswer, content_type
from smg.workers.http_connector import stale_errors
from smg.workers.http_session import WholeBody
from smg.workers.upstream_errors import closed_errors, http_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from smg.core.words import WorkerId
    from smg.workers.http_answer import Outgoing, Reach
    from smg.workers.watch import Watch


class SessionAnswer(HttpAnswer):
    """An answer that aiohttp reads."""

    __slots__ = ("_response", "content_type", "headers", "length", "status", "watch", "worker_id")

    def __init__(self, worker_id: WorkerId, response: aiohttp.ClientResponse, watch: Watch) -> None:
        self._response = response
        self.worker_id = worker_id
        self.watch = watch
        self.status = response.status
        self.headers = response.raw_headers
        self.length = response.content_length
        self.content_type = content_type(self.headers)

    @override
    def break_off(self) -> None:
        self._response.content.set_exception(aiohttp.ServerDisconnectedError())

    @override
    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        while data := await self._next():
            self.watch.chunk()
            if not take(data):
                return True
        return False

    async def _next(self) -> bytes:
        with http_errors(self.worker_id), closed_errors(self.worker_id):
            return await self._response.content.readany()


@asynccontextmanager
async def session_exchange(  # noqa: PLR0917 - one per part of a request
    reach: Reach, session: aiohttp.ClientSession, outgoing: Outgoing, watch: Watch, running: set[HttpAnswer]
) -> AsyncIterator[HttpAnswer]:
    """Send exactly one request and yield when the head is in; leaving before the body's end closes the connection.

    ``watch`` ends it all when one of its clocks runs out. The answer stands in ``running`` meanwhile, so that whoever
    closes the session can break it off.
    """
    worker_id, body = reach.worker_id, outgoing.body
    async with watch:
        with http_errors(worker_id), closed_errors(worker_id), stale_errors(worker_id):
            response = await session.request(
                outgoing.method,
                URL(reach.base_url + outgoing.path, encoded=True),
                headers=_spelt_alike(outgoing.headers),
                data=None if body is None else WholeBody(body, watch.sent),
                allow_redirects=False,
                server_hostname=reach.settings.tls.server_name,
            )
        watch.head()
        answer = SessionAnswer(worker_id, response, watch)
        running.add(answer)
        try:
            yield answer
        finally:
            running.discard(answer)
            response.close()  # after the body's end the connection is back in the pool, and this does nothing


def _spelt_alike(headers: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    """Return the fields with every repeat spelt as its first: aiohttp would keep but the last of two spellings."""
    spelling: dict[bytes, str] = {}
    return CIMultiDict((spelling.setdefault(name.lower(), name.decode()), value.decode()) for name, value in headers)
