"""One call to a scripted gRPC engine, answered well or by script."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from h2.exceptions import ProtocolError
from hyperframe.frame import RstStreamFrame

from smg.stubs import sglang_scheduler_pb2 as pb
from tests.faults.back.grpc_words import CONTROL, SERVICE, UNIMPLEMENTED, frame, health
from tests.faults.back.http_backend import reset
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
    from tests.faults.back.book import Attempt
    from tests.faults.back.grpc_connection import Connection
    from tests.faults.back.steps import Step

SUFFIX = re.compile("-[0-9a-f]{6,}.*$")
"""What the gateway adds to a request's id so that no two calls share one at an engine."""


class Call:
    """One call, answered well or by script."""

    def __init__(self, connection: Connection, stream: int, headers: dict[str, str]) -> None:
        self.connection, self.stream, self.headers = connection, stream, headers
        self.received = b""
        self.attempt: Attempt | None = None
        self._headed = False
        self._left = asyncio.Event()
        self._room = asyncio.Event()

    def leave(self, how: str) -> None:
        """Note that the gateway has gone."""
        self._left.set()
        self._room.set()
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
            elif name == "HealthCheck" and not backend.well:
                await self._message(frame(health(well=False)))
                self._status(0, "")
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
            asked = SUFFIX.sub("", request.request_id)
            for attempt in self.connection.backend.book.of(asked):  # few, where all attempts may be thousands
                if attempt.engine_id == request.request_id and attempt.aborted_at is None:
                    attempt.aborted_at = time.monotonic()

    async def _generate(self) -> None:
        backend = self.connection.backend
        request = pb.GenerateRequest.FromString(self.received[5:])
        asked = SUFFIX.sub("", request.request_id)
        self.attempt = backend.book.begin(asked, backend.name, self.connection.number)
        self.attempt.engine_id = request.request_id
        self.attempt.headers, self.attempt.body = self.headers, self.received
        script = backend.play.act(self.attempt) if backend.script is None else backend.script
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
            case Message(data, flag, length, coding):
                await self._message(frame(data, flag, length), coding)
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
                reset(self.connection.writer)
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

    def _head(self, coding: str) -> None:
        if not self._headed:
            self._headed = True
            coded = [("grpc-encoding", coding)] if coding else []
            fields = [(":status", "200"), ("content-type", "application/grpc"), *coded]
            self.connection.h2.send_headers(self.stream, fields)

    async def _message(self, framed: bytes, coding: str = "") -> None:
        """Send one message as the windows allow."""
        h2, connection = self.connection.h2, self.connection
        self._head(coding)
        while framed and not self._left.is_set():
            await connection.backend.thawed.wait()
            room = min(h2.local_flow_control_window(self.stream), h2.max_outbound_frame_size, len(framed))
            if room <= 0:
                connection.flush()
                await self._widened()
                continue
            h2.send_data(self.stream, framed[:room])
            framed = framed[room:]
            if self.attempt is not None:
                self.attempt.sent += room
            connection.flush()
            await connection.writer.drain()

    async def _widened(self) -> None:
        if self._left.is_set():
            return
        self._room.clear()
        self.connection.blocked.add(self)
        try:
            await self._room.wait()
        finally:
            self.connection.blocked.discard(self)

    def widen(self) -> None:
        """Go on where there is room now; to wake one that is stalled for every window of others would slow those."""
        if self._left.is_set() or self.connection.h2.local_flow_control_window(self.stream) > 0:
            self._room.set()

    def _status(self, code: int, text: str) -> None:
        trailers = [("grpc-status", str(code)), ("grpc-message", text)]
        if not self._headed:
            trailers = [(":status", "200"), ("content-type", "application/grpc"), *trailers]
        self.connection.h2.send_headers(self.stream, trailers, end_stream=True)
        self.connection.flush()
