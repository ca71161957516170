"""An HTTP engine at byte level: proper about itself, and scripted wherever it is asked to generate.

No framework stands between script and wire. A request that is not a generation is answered well, unless the test
says otherwise, so that the gateway takes the backend for a healthy engine.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Self

from tests.faults.back.http_words import head, plain
from tests.faults.back.steps import Close, Gate, HalfClose, Reset, Send, Silence, Wait

if TYPE_CHECKING:
    import ssl

    from tests.faults.back.book import Attempt, Book
    from tests.faults.back.steps import Play, Script, Step

LINGER_0 = struct.pack("ii", 1, 0)
MODELS = json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "sglang", "max_model_len": 4096}]}).encode()
CONTROL = {"/health": b"", "/v1/models": MODELS}


class Door(Enum):
    """What a connection meets."""

    OPEN = "open"
    SHUT = "shut"  # accepted, then closed
    REFUSED = "refused"
    BLACKHOLE = "blackhole"  # SYNs are dropped


class HttpBackend:
    """One scripted engine; enter to serve.

    Attributes:
        script: Goes before the play's acts where set.
        health: What /health is answered with, a script; None answers 200.
        probes: How often /health was asked.
        probing: Health probes being answered now, and the most there ever were.
        connections: Connections ever accepted.
        keep_alive_secs: How long an idle connection is kept.
    """

    def __init__(self, name: str, book: Book, play: Play, *, tls: ssl.SSLContext | None = None) -> None:
        self.name, self.book, self.play, self.tls = name, book, play, tls
        self.script: Script | None = None
        self.health: Script | None = None
        self.probes = self.connections = self.probing = self.most_probing = 0
        self.keep_alive_secs = 60.0
        self._door = Door.OPEN
        self._server: asyncio.Server | None = None
        self._blocked: list[socket.socket] = []
        self._reserved = reserved()
        self.port = self._reserved.getsockname()[1]
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it is registered."""
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut everything."""
        await self._unlisten()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._reserved.close()

    @property
    def attempts(self) -> list[Attempt]:
        """What it was asked."""
        return self.book.at(self.name)

    async def door(self, door: Door) -> None:
        """Change what the next connection meets; those open are cut unless it opens."""
        if door is self._door:
            return
        await self._unlisten()
        self._door = door
        if door is not Door.OPEN:
            self.cut()
        if door is Door.BLACKHOLE:
            await self._block()
        elif door is not Door.REFUSED:
            await self._listen()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in tuple(self._writers):
            reset(writer)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self.tls, backlog=1024, limit=1 << 24, reuse_port=True
        )

    async def _unlisten(self) -> None:
        for blocked in self._blocked:
            blocked.close()
        self._blocked.clear()
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)

    async def _block(self) -> None:
        """Listen with a full queue that nobody accepts from: the kernel then drops what comes."""
        full = socket.socket()
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        full.bind(("127.0.0.1", self.port))
        full.listen(0)
        self._blocked.append(full)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.port))
            self._blocked.append(filler)
        await asyncio.sleep(0.01)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._meet(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        if self.tls is None:  # asyncio's TLS never wakes a writer whose limit is 0
            writer.transport.set_write_buffer_limits(0)
        try:
            await self._serve(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while self._door is Door.OPEN:
            raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.keep_alive_secs)
            line, *rest = raw[:-4].decode("latin-1").split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in rest)}
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            path = line.split(" ")[1]
            if line.startswith("POST"):
                attempt = self.book.begin(fields.get("x-request-id", ""), self.name, connection)
                attempt.headers, attempt.body = fields, body
                script = self.play.act(attempt) if self.script is None else self.script
                if not await self._perform(script, attempt, reader, writer):
                    return
            elif not await self._control(path, reader, writer):
                return

    async def _control(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if path == "/health":
            self.probes += 1
            if self.health is not None:
                self.probing += 1
                self.most_probing = max(self.most_probing, self.probing)
                try:
                    return await self._perform(self.health, None, reader, writer)
                finally:
                    self.probing -= 1
        known = path in CONTROL
        writer.write(plain(CONTROL[path]) if known else head("Content-Length: 0", status=404))
        await writer.drain()
        return True

    async def _perform(
        self, script: Script, attempt: Attempt | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Play a script; return whether the connection can serve on."""
        left = asyncio.get_running_loop().create_task(_left(reader))
        try:
            how = await _played(script, attempt, writer, left)
            _end(attempt, how)
            return how == "answered"
        finally:
            _end(attempt, "cut")
            left.cancel()
            await asyncio.wait([left])


def _end(attempt: Attempt | None, how: str) -> None:
    if attempt is not None:
        attempt.end(how)


async def _played(
    script: Script, attempt: Attempt | None, writer: asyncio.StreamWriter, left: asyncio.Task[None]
) -> str:
    """Play a script; return how it ended."""
    try:
        for step in script:
            if (how := await _step(step, attempt, writer, left)) is not None:
                return how
    except ConnectionError:
        return "left"
    return "answered"


async def _step(
    step: Step, attempt: Attempt | None, writer: asyncio.StreamWriter, left: asyncio.Task[None]
) -> str | None:
    """Do one step; return how the connection ended, if it did."""
    match step:
        case Send(data, times):
            for _ in range(0 if left.done() else times):
                await _send(data, attempt, writer)
        case Wait(secs):
            if await asyncio.wait([left], timeout=secs) and left.done():
                return "left"
        case Gate(event):
            opened = asyncio.get_running_loop().create_task(event.wait())
            await asyncio.wait([left, opened], return_when=asyncio.FIRST_COMPLETED)
            opened.cancel()
            return "left" if left.done() else None
        case _:
            return await _ending(step, writer, left)
    return None


async def _send(data: bytes, attempt: Attempt | None, writer: asyncio.StreamWriter) -> None:
    writer.write(data)
    await writer.drain()
    if attempt is not None:
        attempt.sent += len(data)


async def _ending(step: Step, writer: asyncio.StreamWriter, left: asyncio.Task[None]) -> str:
    match step:
        case Silence():
            await asyncio.wait([left])
            return "left"
        case HalfClose():
            writer.write_eof()
            await asyncio.wait([left])
            return "closed"
        case Reset():
            reset(writer)
            return "reset"
        case Close():
            return "closed"
        case _:
            raise TypeError(f"{step} is not for HTTP")


def reserved() -> socket.socket:
    """Take a free port and keep it from everybody else while its backend refuses connections."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    kept.bind(("127.0.0.1", 0))
    return kept


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by RST."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    writer.transport.abort()


async def _left(reader: asyncio.StreamReader) -> None:
    """Return when the other side closes or resets."""
    with suppress(ConnectionError):
        while await reader.read(1):
            pass
