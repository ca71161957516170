"""A connector that tells whether an exchange made its connection or found it in the pool, and when a body breaks off.

Engines close idle connections when they like, so a kept one may break under the first request over it. That says
nothing of the engine, and the request may go again over a fresh one.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import _EXC_SENTINEL, is_ip_address
from typing_extensions import override

from smg.core.errors import Retry, StaleConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest, ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from smg.core.words import WorkerId
    from smg.workers.watch import Watch

NO_TIMEOUT = aiohttp.ClientTimeout()
"""Each exchange is watched."""

STALE_SECS = 1.0
"""Longer than news of a closed connection takes to come back from any worker."""

_made: ContextVar[list[bool] | None] = ContextVar("made", default=None)


class FailingHandler(ResponseHandler):
    """Fails the reader of a body when the bytes behind it are no HTTP; aiohttp's own closes the connection and is mute.

    Without it whoever reads on waits for a clock to run out.
    """

    @override
    def set_exception(self, exc: BaseException, exc_cause: BaseException = _EXC_SENTINEL) -> None:
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("the rest of the answer is no HTTP"))
        super().set_exception(exc, exc_cause)


class Lent(NamedTuple):
    """A connection for one exchange; ``fresh`` where it was made for it."""

    connection: Connection
    fresh: bool


class TellingConnector(aiohttp.TCPConnector):
    """Notes each connection it makes for the exchange that runs, and lends connections without a session."""

    def __init__(self, **options: Any) -> None:
        """Take what aiohttp's connector takes; needs a running loop."""
        super().__init__(**options)
        self._factory = functools.partial(FailingHandler, loop=self._loop)  # type: ignore[assignment]  # typed for aiohttp's own handler
        self._fresh: WeakSet[ResponseHandler] = WeakSet()

    @property
    def full(self) -> bool:
        """Whether whoever comes now has to wait until a connection is given back."""
        return len(self._acquired) >= self.limit

    @property
    def waiting(self) -> Mapping[ConnectionKey, object]:
        """Who waits until a connection is given back, as it is at any time; empty where nobody does."""
        return self._waiters

    async def borrow(self, aim: ClientRequest) -> Lent:
        """Return a free connection or a new one, which is to be released or closed.

        What a pooled connection has received unasked makes it unusable: it would pass for the next answer.

        Raises:
            aiohttp.ClientError: No connection could be made.
        """
        while True:
            connection = await self.connect(aim, [], NO_TIMEOUT)
            protocol = connection.protocol
            assert protocol is not None  # noqa: S101  (a connection has one until it is released)
            fresh = protocol in self._fresh
            self._fresh.discard(protocol)
            if protocol.is_connected() and not protocol.should_close:
                return Lent(connection, fresh)
            connection.close()
            if fresh:
                raise aiohttp.ServerDisconnectedError

    @override
    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        if (noted := _made.get()) is not None:
            noted.append(True)
        made = await (self._dial(req) if _plain(req) else super()._create_connection(req, traces, timeout))
        self._fresh.add(made)
        return made

    async def _dial(self, aim: ClientRequest) -> ResponseHandler:
        """Connect where no name is to be found and nothing to be encrypted, at half of what aiohttp's way costs."""
        url = aim.url
        assert url.host is not None and url.port is not None  # noqa: PT018, S101  (it could not be an aim)
        try:
            _, made = await self._loop.create_connection(self._factory, url.host, url.port)
        except OSError as error:
            raise aiohttp.ClientConnectorError(aim.connection_key, error) from error
        return made


def _plain(aim: ClientRequest) -> bool:
    """Whether a connection is to one numeric address, without TLS or a proxy."""
    return aim.proxy is None and not aim.is_ssl() and is_ip_address(aim.url.raw_host)


def stale(watch: Watch) -> bool:
    """Whether a kept connection that breaks before its answer was closed before the request, as far as can be told.

    One that breaks later was at work on it.
    """
    return watch.waited_secs() < STALE_SECS


@contextmanager
def stale_errors(worker_id: WorkerId, watch: Watch) -> Iterator[None]:
    """Raise a ``StaleConnectionError`` where a kept connection turns out closed in the block."""
    made: list[bool] = []
    token = _made.set(made)
    try:
        yield
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if made or not stale(watch):
            raise
        message = "the worker had closed the connection"
        raise StaleConnectionError(worker_id, message, retry=Retry.IF_IDEMPOTENT) from error
    finally:
        _made.reset(token)
