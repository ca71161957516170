"""How the ``aiohttp`` sessions of one worker are made; nothing else in the gateway makes one for upstream traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp.payload import BytesPayload, Payload

from smg.workers.http_connector import TellingConnector

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

    from smg.workers.settings import WorkerDefaults

CONTROL_CONNECTIONS = 8
MAX_FIELD_BYTES = 32 * 1024
READ_BUFFER_BYTES = 64 * 1024
AUTOMATIC_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class WholeBody(BytesPayload):
    """A request body that is in memory already; aiohttp's own class warns of large ones, which ours are meant to be."""

    def __init__(self, value: bytes, sent: Callable[[], None]) -> None:
        """Take the bytes, and what is to be called once there is a connection, and once they are handed over."""
        Payload.__init__(self, value, content_type="application/json")
        self._size = len(value)
        self._sent = sent

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body."""
        self._sent()
        await super().write_with_length(writer, content_length)
        self._sent()


def data_session(settings: WorkerDefaults, context: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Return the session for callers' requests; needs a running loop."""
    return _session(settings, context, settings.pool.max_connections)


def control_session(settings: WorkerDefaults, context: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Return the session for probes and administration, so that a full data pool hides neither."""
    return _session(settings, context, CONTROL_CONNECTIONS)


def _session(settings: WorkerDefaults, context: ssl.SSLContext | None, connections: int) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=_connector(settings, context, connections),
        timeout=aiohttp.ClientTimeout(),  # none of its own: each exchange is watched
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=AUTOMATIC_HEADERS,
        proxy=settings.proxy.url,
        trust_env=settings.proxy.trust_env,
        max_line_size=MAX_FIELD_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        read_bufsize=READ_BUFFER_BYTES,
    )
    # aiohttp sends a GET a second time by itself when a kept-alive connection dies; a retry is ours to decide.
    session._retry_connection = False  # noqa: SLF001
    return session


def _connector(settings: WorkerDefaults, context: ssl.SSLContext | None, connections: int) -> TellingConnector:
    return TellingConnector(
        limit=connections,
        keepalive_timeout=settings.pool.idle_timeout_secs,
        ttl_dns_cache=max(1, round(settings.pool.dns_ttl_secs)),
        use_dns_cache=settings.pool.dns_ttl_secs > 0,
        ssl=context if context is not None else True,
    )
