"""A gRPC engine made of HTTP/2 frames: proper about itself, and scripted in Generate.

``h2`` keeps the state of the connection (settings, header tables, windows); what it would refuse to send, since no
honest server sends it, is put on the wire beside it.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, RstStreamFrame

from smg.stubs import sglang_scheduler_pb2 as pb
from tests.faults.back.grpc_words import CONTROL, SERVICE, UNIMPLEMENTED, frame
from tests.faults.back.http_backend import _reset
from tests.faults.back.steps import (
    Close,
    Freeze,
    Gate,
    GoAway,
    Message,
    Reset,
    ResetStream,
    Send,
    Silence,
    Status,
    Wait,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine

    from h2.events import Event

    from tests.faults.back.book import Attempt, Book
    from tests.faults.back.steps import Play, Script, Step

CANCEL = 8
SUFFIX = re.compile("-[0-9a-f]{6,}.*$")
"""What the gateway adds to a request's id so that no two calls share one at an engine."""


class GrpcBackend:
    """One scripted engine; enter to serve.

    Attributes:
        script: Goes before the play's acts where set.
        opening: Bytes every connection is answered with in place of HTTP/2; None speaks it.
        max_streams: MAX_CONCURRENT_STREAMS as announced; None announces none.
        frozen: While set, nothing is read and nothing is sent, on any connection.
        calls: How often each method was called.
        pings: When PINGs came.
    """

    def __init__(self, name: str, book: Book, play: Play, *, tls: ssl.SSLContext | None = None) -> None:
        self.name, self.book, self.play, self.tls = name, book, play, tls
        self.script: Script | None = None
        self.opening: bytes | None = None
        self.max_streams: int | None = None
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.calls: dict[str, int] = {}
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
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

    async def listen(self) -> None:
        """Take connections, on the port it had."""
        host = "localhost" if self.tls else "127.0.0.1"
        self._server = await asyncio.start_server(self._accept, host, self.port, family=2, ssl=self.tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

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
            _reset(connection.writer)

    def goaway(self, code: int = 0, last: int | None = None, debug: bytes = b"") -> None:
        """Send GOAWAY on every connection; running streams go on."""
        for connection in tuple(self._open):
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


class Connection:
    """One HTTP/2 connection and the calls on it."""

    def __init__(
        self, backend: GrpcBackend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.backend, self.reader, self.writer, self.number = backend, reader, writer, number
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.calls: dict[int, Call] = {}
        self.window = asyncio.Event()
        self._highest = 0

    async def serve(self) -> None:
        """Read until the gateway leaves."""
        if self.backend.opening is not None:
            self.writer.write(self.backend.opening)
            await self.writer.drain()
            return
        if self.backend.max_streams is not None:
            told = {SettingCodes.MAX_CONCURRENT_STREAMS: self.backend.max_streams}
            self.h2.local_settings = Settings(client=False, initial_values=told)
        self.h2.initiate_connection()
        self.flush()
        while data := await self.reader.read(1 << 16):
            await self.backend.thawed.wait()
            for event in self.h2.receive_data(data):
                self._take(event)
            self.flush()

    def flush(self) -> None:
        """Send what h2 has to say; a frozen engine says nothing."""
        if not self.writer.is_closing():
            self.writer.write(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        """Send bytes h2 knows nothing of."""
        self.flush()
        if not self.writer.is_closing():
            self.writer.write(data)

    def goaway(self, code: int, last: int | None, debug: bytes) -> None:
        """Send GOAWAY and go on as if nothing was."""
        highest = self._highest if last is None else last
        self.raw(GoAwayFrame(0, last_stream_id=highest, error_code=code, additional_data=debug).serialize())

    def end(self) -> None:
        """End every call: the connection has gone."""
        for call in self.calls.values():
            call.leave("left")

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=number, headers=headers):
                self._highest = max(self._highest, number or 0)
                fields = {str(name): str(value) for name, value in headers or ()}
                self.calls[number or 0] = Call(self, number or 0, fields)
            case DataReceived(stream_id=number, data=data, flow_controlled_length=length):
                self.calls[number or 0].received += data or b""
                self.h2.acknowledge_received_data(length or 0, number or 0)
            case StreamEnded(stream_id=number):
                self.calls[number or 0].start()
            case StreamReset(stream_id=number, error_code=code):
                if (call := self.calls.get(number or 0)) is not None:
                    call.leave("cancelled" if code == CANCEL else "left")
            case WindowUpdated() | SettingsAcknowledged():
                self.window.set()
            case _:
                pass


class Call:
    """One call, answered well or by script."""

    def __init__(self, connection: Connection, stream: int, headers: dict[str, str]) -> None:
        self.connection, self.stream, self.headers = connection, stream, headers
        self.received = b""
        self.attempt: Attempt | None = None
        self._headed = False
        self._left = asyncio.Event()

    def leave(self, how: str) -> None:
        """Note that the gateway has gone."""
        self._left.set()
        if self.attempt is not None:
            self.attempt.end(how)

    def start(self) -> None:
        """Answer in a task of its own."""
        self.connection.backend.spawn(self._answer())

    async def _answer(self) -> None:
        backend, name = self.connection.backend, self.headers.get(":path", "").removeprefix(SERVICE)
        backend.calls[name] = backend.calls.get(name, 0) + 1
        with suppress(ConnectionError, ProtocolError):
            if name == "Generate":
                await self._generate()
            elif name in CONTROL:
                self._note_abort(name)
                for message in CONTROL[name]():
                    await self._message(frame(message))
                self._status(0, "")
            else:
                self._status(UNIMPLEMENTED, "unknown method")

    def _note_abort(self, name: str) -> None:
        if name == "Abort":
            request = pb.AbortRequest.FromString(self.received[5:])
            for attempt in self.connection.backend.attempts:
                if attempt.engine_id == request.request_id and attempt.aborted_at is None:
                    attempt.aborted_at = time.monotonic()

    async def _generate(self) -> None:
        backend = self.connection.backend
        request = pb.GenerateRequest.FromString(self.received[5:])
        asked = SUFFIX.sub("", request.request_id)
        self.attempt = backend.book.begin(asked, backend.name, self.connection.number)
        self.attempt.engine_id = request.request_id
        self.attempt.headers, self.attempt.body = self.headers, self.received
        script = backend.play.act(self.attempt.number) if backend.script is None else backend.script
        try:
            for step in script:
                if self._left.is_set() or await self._step(step):
                    return
            self.attempt.end("answered")
        finally:
            self.attempt.end("cut")

    async def _step(self, step: Step) -> bool:
        """Do one step; return whether it was the last."""
        match step:
            case Message(data, flag, length):
                await self._message(frame(data, flag, length))
            case Send(data, times):
                for _ in range(times):
                    self.connection.raw(data)
                    await self.connection.writer.drain()
            case Wait(secs):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._left.wait(), secs)
            case Gate(event):
                await self._until(event)
            case Silence():
                await self._left.wait()
            case _:
                return self._end(step)
        return self._left.is_set()

    def _end(self, step: Step) -> bool:
        assert self.attempt is not None
        match step:
            case GoAway(code, last, debug):
                self.connection.goaway(code, last, debug)
                return False
            case Status(code, text):
                self._status(code, text)
                self.attempt.end("answered")
            case ResetStream(code):
                self.attempt.end("reset")
                self.connection.raw(RstStreamFrame(self.stream, error_code=code).serialize())
            case Reset():
                self.attempt.end("reset")
                _reset(self.connection.writer)
            case Close():
                self.attempt.end("closed")
                self.connection.writer.close()
            case Freeze():
                self.connection.backend.thawed.clear()
            case _:
                raise TypeError(f"{step} is not for gRPC")
        return not isinstance(step, Freeze)

    async def _until(self, event: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(one.wait()) for one in (event, self._left)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _head(self) -> None:
        if not self._headed:
            self._headed = True
            fields = [(":status", "200"), ("content-type", "application/grpc")]
            self.connection.h2.send_headers(self.stream, fields)

    async def _message(self, framed: bytes) -> None:
        """Send one message as the windows allow."""
        h2, connection = self.connection.h2, self.connection
        self._head()
        while framed and not self._left.is_set():
            await connection.backend.thawed.wait()
            room = min(h2.local_flow_control_window(self.stream), h2.max_outbound_frame_size, len(framed))
            if room <= 0:
                connection.flush()
                connection.window.clear()
                await connection.window.wait()
                continue
            h2.send_data(self.stream, framed[:room])
            framed = framed[room:]
            if self.attempt is not None:
                self.attempt.sent += room
            connection.flush()
            await connection.writer.drain()

    def _status(self, code: int, text: str) -> None:
        trailers = [("grpc-status", str(code)), ("grpc-message", text)]
        if not self._headed:
            trailers = [(":status", "200"), ("content-type", "application/grpc"), *trailers]
        self.connection.h2.send_headers(self.stream, trailers, end_stream=True)
        self.connection.flush()
