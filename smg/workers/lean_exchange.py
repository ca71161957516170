"""One request to an HTTP engine and its answer, spoken by ourselves on a connection of the worker's own pool.

aiohttp's session makes, keeps and counts the connections. This is the way to plain ``http://`` workers that no proxy
stands before; the others go through the session itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

import aiohttp
from yarl import URL

from smg.wire.headers import request_head
from smg.workers.lean_answer import LeanAnswer
from smg.workers.lean_connection import Shelf
from smg.workers.upstream_errors import FOREIGN, closed_errors, http_errors

if TYPE_CHECKING:
    from smg.workers.http_answer import HttpAnswer, Outgoing, Reach
    from smg.workers.http_connector import TellingConnector
    from smg.workers.watch import Watch

FAILURES: Final = (*FOREIGN, asyncio.CancelledError)
"""What waiting for a connection may end with; it is cancelled, too, where the pool is closed."""


class Way:
    """How the exchanges over one session's connections go; made once, where a loop runs.

    Attributes:
        host: The request's ``Host``.
        shelf: The connections.
    """

    __slots__ = ("host", "shelf", "worker_id")

    def __init__(self, reach: Reach, session: aiohttp.ClientSession) -> None:
        """Go over ``session``'s own connections."""
        self.worker_id = reach.worker_id
        aim = aiohttp.ClientRequest("POST", URL(reach.base_url), loop=asyncio.get_running_loop())
        self.host = aim.headers["Host"].encode()
        self.shelf = Shelf(cast("TellingConnector", session.connector), aim, reach.settings.pool.idle_timeout_secs)


async def ask(way: Way, outgoing: Outgoing, watch: Watch, running: set[HttpAnswer]) -> HttpAnswer:
    """Send exactly one request and return its answer when the head is in; raises UpstreamError."""
    body = outgoing.body
    start = f"{outgoing.method} {outgoing.path}"
    head = request_head(start, way.host, outgoing.headers, outgoing.own, length=None if body is None else len(body))
    try:
        connection = way.shelf.take() or await way.shelf.connect()
    except FAILURES:  # judged only now: contexts cost a tenth of an exchange
        with http_errors(way.worker_id), closed_errors(way.worker_id):
            raise
    answer = LeanAnswer(way.worker_id, connection, watch, running)
    try:
        await answer.ask(head, body or b"")
    except BaseException:
        answer.part()
        raise
    return answer
