"""One request to an HTTP engine and its answer, spoken by ourselves on a connection of the worker's own pool.

aiohttp's session makes, keeps and counts the connections. This is the way to plain ``http://`` workers that no proxy
stands before; the others go through the session itself.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, cast

import aiohttp
from yarl import URL

from smg.wire.headers import request_head
from smg.workers.lean_answer import READ_BYTES, LeanAnswer
from smg.workers.upstream_errors import FOREIGN, closed_errors, http_errors

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey

    from smg.workers.http_answer import HttpAnswer, Outgoing, Reach
    from smg.workers.http_connector import TellingConnector
    from smg.workers.watch import Watch

FAILURES = (*FOREIGN, asyncio.CancelledError)
"""What waiting for a connection may end with; it is cancelled, too, where the pool is closed."""


class Aim(aiohttp.ClientRequest):
    """Where every connection of one pool leads; aiohttp would put the key together anew for each request."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        """What the pool's connections are kept under."""
        return super().connection_key


class Way:
    """How the exchanges over one session's connections go; made once, where a loop runs.

    Attributes:
        aim: What the pool connects to, in its own words.
        host: The request's ``Host``.
        space: Where the answers' bytes arrive; one for all, since they are taken out at once.
    """

    __slots__ = ("aim", "host", "pool", "space", "worker_id")

    def __init__(self, reach: Reach, session: aiohttp.ClientSession) -> None:
        """Go over ``session``'s own connections."""
        self.worker_id = reach.worker_id
        self.pool = cast("TellingConnector", session.connector)
        self.aim: aiohttp.ClientRequest = Aim("POST", URL(reach.base_url), loop=asyncio.get_running_loop())
        self.host = self.aim.headers["Host"].encode()
        self.space = memoryview(bytearray(READ_BYTES))


async def ask(way: Way, outgoing: Outgoing, watch: Watch, running: set[HttpAnswer]) -> HttpAnswer:
    """Send exactly one request and return its answer when the head is in; raises UpstreamError."""
    body = outgoing.body
    start = f"{outgoing.method} {outgoing.path}"
    head = request_head(start, way.host, outgoing.headers, None if body is None else len(body))
    try:
        lent = await way.pool.borrow(way.aim)
    except FAILURES:  # judged only now: contexts cost a tenth of an exchange
        with http_errors(way.worker_id), closed_errors(way.worker_id):
            raise
    answer = LeanAnswer(way.worker_id, lent, watch, way.space, running)
    try:
        await answer.ask(head, body or b"")
    except BaseException:
        answer.part()
        raise
    return answer
