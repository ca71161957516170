"""One request to an HTTP engine and its answer over aiohttp's session: through TLS, and through proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from typing_extensions import override
from yarl import URL

from smg.wire.answer_head import first_values, media_type
from smg.workers.http_answer import HttpAnswer
from smg.workers.http_connector import stale_errors
from smg.workers.http_session import WholeBody
from smg.workers.upstream_errors import closed_errors, http_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from smg.core.words import WorkerId
    from smg.workers.http_answer import Outgoing, Reach
    from smg.workers.watch import Watch


class SessionAnswer(HttpAnswer):
    """An answer that aiohttp reads."""

    __slots__ = ("_response", "_running", "content_type", "fields", "headers", "length", "status", "watch", "worker_id")

    def __init__(
        self, worker_id: WorkerId, response: aiohttp.ClientResponse, watch: Watch, running: set[HttpAnswer]
    ) -> None:
        """Stand in ``running`` until the end, so that whoever closes the session can break it off."""
        running.add(self)
        self._running = running
        self._response = response
        self.worker_id = worker_id
        self.watch = watch
        self.status = response.status
        self.headers = response.raw_headers
        self.length = response.content_length
        self.fields = first_values(self.headers)
        self.content_type = media_type(self.fields)

    @override
    def part(self) -> None:
        self._running.discard(self)
        self._response.close()  # after the body's end the connection is back in the pool, and this does nothing

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


async def ask_by_session(  # noqa: PLR0917 - one per part of a request
    reach: Reach, session: aiohttp.ClientSession, outgoing: Outgoing, watch: Watch, running: set[HttpAnswer]
) -> HttpAnswer:
    """Send exactly one request and return its answer when the head is in; raises UpstreamError."""
    worker_id, body = reach.worker_id, outgoing.body
    with http_errors(worker_id), closed_errors(worker_id), stale_errors(worker_id, watch):
        response = await session.request(
            outgoing.method,
            URL(reach.base_url + outgoing.path, encoded=True),
            headers=_spelt_alike((*outgoing.headers, *outgoing.own)),
            data=None if body is None else WholeBody(body, watch.sent),
            allow_redirects=False,
            server_hostname=reach.settings.tls.server_name,
        )
    watch.head()
    return SessionAnswer(worker_id, response, watch, running)


def _spelt_alike(headers: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    """Return the fields with every repeat spelt as its first: aiohttp would keep but the last of two spellings."""
    spelling: dict[bytes, str] = {}
    return CIMultiDict((spelling.setdefault(name.lower(), name.decode()), value.decode()) for name, value in headers)
