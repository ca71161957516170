"""A server that does as a test says with each connection, and leaves none behind."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LEAVING_SECS = 5.0


@asynccontextmanager
async def serving(serve: Serve, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run ``serve`` for each connection and yield the port.

    Each connection is closed when ``serve`` returns, and a break or an end on it is none of the server's errors.
    At the end those still open have some seconds to be left by the other side; what else ``serve`` raised is raised.

    Raises:
        TimeoutError: Somebody did not leave.
    """
    running: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError):
                await serve(reader, writer)
        finally:
            writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.get_running_loop().create_task(met(reader, writer)))

    server = await asyncio.start_server(accept, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await _close(server)
        await asyncio.wait_for(asyncio.gather(*running), LEAVING_SECS)
        await asyncio.wait_for(_left(server), LEAVING_SECS)


async def _close(server: asyncio.Server) -> None:
    """Accept no more, but what was accepted last becomes a connection first: closed before that, it would be lost."""
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    try:
        await asyncio.sleep(0)
    finally:
        server.close()


async def _left(server: asyncio.Server) -> None:
    """Wait for connections that never were anybody's, such as those whose handshake failed; Python 3.11 does not."""
    await server.wait_closed()
    while getattr(server, "_active_count", 0):  # noqa: ASYNC110 - nobody signals
        await asyncio.sleep(0.005)
