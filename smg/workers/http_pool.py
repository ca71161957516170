"""The connections of one HTTP worker for one purpose, and what is being read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from smg.workers.http_exchange import ask_by_session
from smg.workers.http_session import control_session, data_session
from smg.workers.lean_exchange import Way, ask

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import aiohttp

    from smg.workers.http_answer import HttpAnswer, Outgoing, Reach
    from smg.workers.http_connector import TellingConnector
    from smg.workers.watch import Watch


class Pool:
    """A session, and the answers that come over its connections.

    Attributes:
        running: Answers that nobody has parted from.
    """

    def __init__(self, reach: Reach, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.running: set[HttpAnswer] = set()
        self._reach = reach
        self._way = Way(reach, session) if reach.fast_lane else None
        self._connector = cast("TellingConnector", session.connector)

    def ask(self, outgoing: Outgoing, watch: Watch) -> Coroutine[None, None, HttpAnswer]:
        """Send exactly one request and return its answer, to be parted from, when the head is in.

        Raises:
            UpstreamError: There is none.
        """
        way = self._way
        if (way is None or not way.shelf) and self._connector.full:
            watch.excuse = self._moved_since
        if way is not None:
            return ask(way, outgoing, watch, self.running)
        return ask_by_session(self._reach, self.session, outgoing, watch, self.running)

    async def close(self) -> None:
        """Break off what is read and close every connection; may be called twice.

        In this order, since a body may be one that its connection's end ends, and would pass for whole.
        """
        for answer in self.running:
            answer.break_off()
        if self._way is not None:
            self._way.shelf.close()
        await self.session.close()

    def _moved_since(self, at: float) -> bool:
        """Whether the worker was at work on what holds the connections: who waited for one waited for its turn."""
        return any(answer.watch.moved_at > at for answer in self.running)


def data_pool(reach: Reach) -> Pool:
    """Return the connections for callers' requests; needs a running loop."""
    return Pool(reach, data_session(reach.settings, reach.context))


def control_pool(reach: Reach) -> Pool:
    """Return the connections for probes and administration."""
    return Pool(reach, control_session(reach.settings, reach.context))
