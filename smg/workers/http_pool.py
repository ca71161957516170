"""The connections of one HTTP worker for one purpose, and what is being read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.workers.http_session import control_session, data_session

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from smg.workers.http_exchange import HttpAnswer
    from smg.workers.settings import WorkerDefaults


class Pool:
    """A session, and the answers that come over it.

    Attributes:
        running: Answers whose head is in and whose body is not yet read to its end.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.running: set[HttpAnswer] = set()

    async def close(self) -> None:
        """Close every connection and break off what is read from them; may be called twice."""
        await self.session.close()
        for answer in self.running:
            answer.break_off()


def data_pool(settings: WorkerDefaults, context: ssl.SSLContext | None) -> Pool:
    """Return the connections for callers' requests; needs a running loop."""
    return Pool(data_session(settings, context))


def control_pool(settings: WorkerDefaults, context: ssl.SSLContext | None) -> Pool:
    """Return the connections for probes and administration."""
    return Pool(control_session(settings, context))
