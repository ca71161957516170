"""The connections of one HTTP worker for one purpose, and what is being read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.workers.http_exchange import ask_by_session
from smg.workers.http_session import control_session, data_session
from smg.workers.lean_exchange import ask, way

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import aiohttp

    from smg.workers.http_answer import HttpAnswer, Outgoing, Reach
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
        self._way = way(reach, session) if reach.straight else None

    def ask(self, outgoing: Outgoing, watch: Watch) -> Coroutine[None, None, HttpAnswer]:
        """Send exactly one request and return its answer, to be parted from, when the head is in.

        Raises:
            UpstreamError: There is none.
        """
        if self._way is not None:
            return ask(self._way, outgoing, watch, self.running)
        return ask_by_session(self._reach, self.session, outgoing, watch, self.running)

    async def close(self) -> None:
        """Close every connection and break off what is read from them; may be called twice."""
        await self.session.close()
        for answer in self.running:
            answer.break_off()


def data_pool(reach: Reach) -> Pool:
    """Return the connections for callers' requests; needs a running loop."""
    return Pool(reach, data_session(reach.settings, reach.context))


def control_pool(reach: Reach) -> Pool:
    """Return the connections for probes and administration."""
    return Pool(reach, control_session(reach.settings, reach.context))
