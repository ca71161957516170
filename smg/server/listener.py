"""The HTTP/1 front: accepts callers and hands each request to one handler.

Only this file, ``sink`` and ``body`` know that aiohttp stands behind it. They use its low-level server, not its
application, so that every answer, also to a request that cannot be parsed, comes from the one handler chain.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from smg.core.errors import BadFramingError, ConfigError, GatewayError
from smg.core.request import Request
from smg.server.body import Body
from smg.server.sink import Sent, WallDate, WebSink
from smg.server.target import check_head, split_target

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Awaitable, Callable

    from aiohttp.web_protocol import _ErrInfo

    from smg.core.clock import Clock
    from smg.core.request import Handler

BACKLOG = 4096
CLOSE_SECS = 0.5
LINGER_SECS = 1.0
LINE_BYTES = 8 << 10

LOG = logging.getLogger("smg.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one caller may take.

    Attributes:
        body_bytes: Longest request body.
        body_idle_secs: Longest silence within one.
        stall_secs: Longest refusal to take a waiting answer.
        idle_secs: Longest wait for a request's head on an open connection.
    """

    body_bytes: int
    body_idle_secs: float
    stall_secs: float
    idle_secs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Listener:
    """One listening socket and its connections.

    Attributes:
        closing: Once true, every answer is the last on its connection.
    """

    def __init__(
        self, handler: Handler, fault: Callable[[GatewayError], Handler], limits: Limits, clock: Clock
    ) -> None:
        self._handler = handler
        self._fault = fault
        self._limits = limits
        self._clock = clock
        self._date = WallDate()
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self.closing = False

    @property
    def port(self) -> int:
        """The port callers reach, once started."""
        if self._site is None:
            raise RuntimeError("the listener has not been started")
        return self._site.port

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        server = None if self._runner is None else self._runner.server
        return 0 if server is None else len(server.connections)

    async def start(self, bind: Bind) -> None:
        """Accept callers from now on.

        Raises:
            ConfigError: The address cannot be bound, or aiohttp lacks its C parser.
        """
        require_c_parser()
        server = FrontServer(self.serve, self.serve_fault, idle_secs=self._limits.idle_secs)
        self._runner = web.ServerRunner(server, shutdown_timeout=CLOSE_SECS)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, bind.host, bind.port, ssl_context=bind.tls, backlog=BACKLOG)
        try:
            await self._site.start()
        except OSError as error:
            await self.aclose()
            raise ConfigError(f"cannot listen on {bind.host}:{bind.port}: {error.strerror}") from error

    async def stop_accepting(self) -> None:
        """Close the listening socket; what is connected is served on. Safe to call twice."""
        if self._site is not None and self._runner is not None and self._site in self._runner.sites:
            await self._site.stop()

    async def aclose(self) -> None:
        """Close every connection, cancelling what still runs; safe to call twice."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def serve(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request that could be parsed."""
        try:
            check_head((http.version.major, http.version.minor), http.raw_headers)
            path, query = split_target(http.raw_path)
        except GatewayError as error:
            return await self._run(self._fault(error), http, "", "", last=True)
        return await self._run(self._handler, http, path, query, last=self.closing)

    async def serve_fault(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one that could not."""
        return await self._run(self._fault(BadFramingError("the request is not HTTP")), http, "", "", last=True)

    async def _run(
        self, handler: Handler, http: web.BaseRequest, path: str, query: str, *, last: bool
    ) -> web.StreamResponse:
        sink = WebSink(http, date=self._date, stall_secs=self._limits.stall_secs)
        sink.keep_alive = sink.keep_alive and not last
        try:
            await handler(self._request(http, path, query), sink)
        except Exception:  # noqa: BLE001  (answered and told of further in; here only the connection is left)
            sink.abort()
        if not sink.finished:
            sink.abort()
        return Sent(sink)

    def _request(self, http: web.BaseRequest, path: str, query: str) -> Request:
        limits = self._limits
        return Request(
            id="",
            method=http.method,
            path=path,
            query=query,
            headers=http.raw_headers,
            receive=Body(http, max_bytes=limits.body_bytes, idle_secs=limits.body_idle_secs),
            arrived_at=self._clock.now(),
        )


class FrontServer(web.Server):
    """aiohttp's server with connections of our own kind."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        fault_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        idle_secs: float,
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.fault_handler = fault_handler
        self._idle_secs = idle_secs

    @override
    def __call__(self) -> RequestHandler:
        return Connection(self, self._loop, self._idle_secs)


class Connection(RequestHandler):
    """aiohttp's connection, whose error answers are ours."""

    __slots__ = ("_front",)

    def __init__(self, front: FrontServer, loop: asyncio.AbstractEventLoop, idle_secs: float) -> None:
        super().__init__(
            front,
            loop=loop,
            keepalive_timeout=idle_secs,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for "write none"
            logger=LOG,
            lingering_time=LINGER_SECS,
            auto_decompress=False,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
        )
        self._front = front

    @override
    def _make_error_handler(self, err_info: _ErrInfo) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        return self._front.fault_handler

    @override
    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """End the connection: an exception that comes this far has no answer."""
        raise ConnectionError("the connection cannot go on")


def require_c_parser() -> None:
    """Refuse the pure-Python parser, which reads some broken requests differently.

    Raises:
        ConfigError: aiohttp runs without its C extensions.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise ConfigError("aiohttp runs without its C parser (AIOHTTP_NO_EXTENSIONS is set, or its wheel has none)")
