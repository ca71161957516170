"""The connections of one worker's pool that we speak on ourselves: in an exchange, and at rest between two of them.

aiohttp makes, counts and limits them. It would take each back after every exchange and look it over before the next,
which costs a tenth of a request; so a connection stays lent to us until it is closed, or somebody waits for one.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, cast

from mypy_extensions import trait
from typing_extensions import override

from smg.wire.answer_head import AnswerReader

if TYPE_CHECKING:
    import aiohttp

    from smg.workers.http_connector import Lent, TellingConnector


@trait
class Receiver(ABC):
    """An exchange, as its connection sees it."""

    __slots__ = ()

    @abstractmethod
    def arrived(self, data: bytes) -> None:
        """Take what the worker sent."""

    @abstractmethod
    def clogged(self, unsent: bool) -> None:  # noqa: FBT001
        """Note that much of the request is unsent, or that it is not any more."""

    @abstractmethod
    def cut(self, error: Exception | None) -> None:
        """Note the connection's end."""


class LeanConnection(asyncio.Protocol):
    """One connection, and its protocol for as long as it is lent.

    Attributes:
        transport: What an exchange writes to.
        heads: Reads the worker's heads.
        fresh: No exchange has gone over it before the one that runs.
        receiver: The exchange that runs; None at rest.
        rested_at: The loop's time when the last one ended.
    """

    __slots__ = ("_connection", "_own", "_shelf", "fresh", "heads", "receiver", "rested_at", "transport")

    def __init__(self, shelf: Shelf, lent: Lent) -> None:
        self._shelf = shelf
        self._connection = lent.connection
        self._own = lent.connection.protocol
        self.transport = cast("asyncio.Transport", lent.connection.transport)
        self.heads = shelf.heads
        self.fresh = lent.fresh
        self.receiver: Receiver | None = None
        self.rested_at = 0.0
        self.transport.set_protocol(self)

    def rest(self) -> None:
        """End an exchange after which another may follow."""
        self.receiver = None
        self.fresh = False
        self._shelf.put(self)

    def give_back(self) -> None:
        """Let aiohttp lend it to whoever waits."""
        self.transport.set_protocol(cast("asyncio.Protocol", self._own))
        self._connection.release()

    def discard(self) -> None:
        """Close it now."""
        self.receiver = None
        self.transport.abort()
        self._connection.close()

    @override
    def data_received(self, data: bytes) -> None:
        if self.receiver is not None:
            self.receiver.arrived(data)
        else:
            self.transport.abort()  # nobody asked for that, and it would pass for the next answer

    @override
    def pause_writing(self) -> None:
        if self.receiver is not None:
            self.receiver.clogged(True)

    @override
    def resume_writing(self) -> None:
        if self.receiver is not None:
            self.receiver.clogged(False)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._own is not None:
            self._own.connection_lost(exc)
        if self.receiver is not None:
            self.receiver.cut(exc)
        else:
            self._connection.close()


class Shelf:
    """The connections at rest, and the way to more; made once for a pool, where a loop runs.

    Attributes:
        heads: Reads the worker's heads; one for all connections, since they all say the same.
    """

    def __init__(self, pool: TellingConnector, aim: aiohttp.ClientRequest, rest_secs: float) -> None:
        """Take connections to ``aim`` from ``pool``, and close one that has rested for ``rest_secs``."""
        self.heads = AnswerReader()
        self._pool = pool
        self._waiting = pool.waiting
        self._aim = aim
        self._rest_secs = rest_secs
        self._loop = asyncio.get_running_loop()
        self._resting: deque[LeanConnection] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many rest, those the worker has closed meanwhile included."""
        return len(self._resting)

    def take(self) -> LeanConnection | None:
        """Return the one that came to rest last; None where none does."""
        while self._resting:
            connection = self._resting.pop()
            if not connection.transport.is_closing():
                return connection
            connection.discard()
        return None

    async def connect(self) -> LeanConnection:
        """Return a connection that aiohttp makes, or takes from whoever gives it back.

        Raises:
            aiohttp.ClientError: No connection could be made.
        """
        return LeanConnection(self, await self._pool.borrow(self._aim))

    def put(self, connection: LeanConnection) -> None:
        """Keep a connection for the next exchange, unless somebody waits for one."""
        if self._waiting:
            connection.give_back()
        else:
            connection.rested_at = self._loop.time()
            self._resting.append(connection)
            if self._timer is None:
                self._timer = self._loop.call_later(self._rest_secs, self._sweep)

    def close(self) -> None:
        """Close what rests; what is in use is its exchange's to close."""
        if self._timer is not None:
            self._timer.cancel()
        while self._resting:
            self._resting.pop().discard()

    def _sweep(self) -> None:
        """Close what has rested for too long: the first on the left."""
        resting, due = self._resting, self._loop.time() - self._rest_secs
        while resting and resting[0].rested_at <= due:
            resting.popleft().discard()
        self._timer = self._loop.call_at(resting[0].rested_at + self._rest_secs, self._sweep) if resting else None
