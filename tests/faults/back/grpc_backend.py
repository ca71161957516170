"""A gRPC engine made of HTTP/2 frames: proper about itself, and scripted in Generate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from h2.exceptions import ProtocolError

from tests.faults.back.grpc_connection import Connection
from tests.faults.back.http_backend import reserved, reset

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine

    from tests.faults.back.book import Attempt, Book
    from tests.faults.back.steps import Play, Script


class GrpcBackend:
    """One scripted engine; enter to serve.

    Attributes:
        script: Goes before the play's acts where set.
        opening: Bytes every connection is answered with in place of HTTP/2; None speaks it.
        max_streams: MAX_CONCURRENT_STREAMS as announced; h2's own default would be 100.
        thawed: While clear, nothing is read and nothing is sent, on any connection.
        calls: How often each method was called.
        well: Whether it says that it is.
        pings: The connection's number and when, of each.
    """

    def __init__(self, name: str, book: Book, play: Play, *, tls: ssl.SSLContext | None = None) -> None:
        self.name, self.book, self.play, self.tls = name, book, play, tls
        self.script: Script | None = None
        self.opening: bytes | None = None
        self.max_streams = 1 << 20
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.calls: dict[str, int] = {}
        self.well = True
        self.pings: list[tuple[int, float]] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._reserved = reserved()
        self.port = self._reserved.getsockname()[1]
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it is registered."""
        return f"grpcs://localhost:{self.port}" if self.tls else f"grpc://127.0.0.1:{self.port}"

    @property
    def attempts(self) -> list[Attempt]:
        """What it was asked to generate."""
        return self.book.at(self.name)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut everything."""
        self.thawed.set()
        await self.refuse()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._reserved.close()

    async def listen(self) -> None:
        """Take connections, on the port it had."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self.tls, backlog=1024, reuse_port=True
        )

    async def refuse(self) -> None:
        """Refuse connections, and reset those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Reset every connection."""
        for connection in tuple(self._open):
            reset(connection.writer)

    def goaway(self, code: int = 0, last: int | None = None, debug: bytes = b"", only: int | None = None) -> None:
        """Send GOAWAY on every connection, or on one by its number; running streams go on."""
        for connection in tuple(self._open):
            if only in {None, connection.number}:
                connection.goaway(code, last, debug)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.spawn(self._meet(reader, writer))

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run something until the backend ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = Connection(self, reader, writer, self.connections)
        self._open.add(connection)
        try:
            await connection.serve()
        except (ConnectionError, ProtocolError):
            pass
        finally:
            self._open.discard(connection)
            connection.end()
            writer.close()
