"""One end of the line between the supervisor and a process: both ask, tell and answer over one socket.

Theory: each message goes in a frame of four bytes of length and MessagePack. A question has a number, which its answer
bears. What arrives is taken up in its order, each question by a task of its own, so that an answer which takes long
holds up nothing. The end of the line ends every question that waits.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Self

import msgspec

from smg.core.errors import GatewayError
from smg.core.tasks import Tasks
from smg.server.processes.messages import Done, Envelope, Fault, fault, raised

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from smg.core.observers import Observer
    from smg.server.processes.messages import AnyMessage

LENGTH_BYTES = 4
MAX_FRAME_BYTES = 256 << 20
MAX_UNSENT_BYTES = 64 << 20
"""An other end that takes nothing for so long is cut off, rather than written for without end."""


LAST_SECS = 0.5


class LostPeerError(Exception):
    """The other end is gone."""


class Peer:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, observer: Observer) -> None:
        self._reader = reader
        self._writer = writer
        self._tasks = Tasks(observer)
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[AnyMessage]] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Envelope)

    @classmethod
    async def over(cls, sock: socket.socket, observer: Observer) -> Self:
        """Return the end that owns a connected socket."""
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return cls(reader, writer, observer)

    def tell(self, message: AnyMessage) -> None:
        """Say something that wants no answer; what the other end no longer hears is dropped."""
        self._send(Envelope(0, answers=False, message=message))

    async def ask(self, message: AnyMessage, within_secs: float) -> AnyMessage:
        """Ask, sending at once, and return the answer.

        Raises:
            GatewayError: The other end refuses.
            LostPeerError: It is gone.
            TimeoutError: It is too late.
        """
        if self._writer.is_closing():
            raise LostPeerError("the other end is gone")
        number = next(self._numbers)
        answer: asyncio.Future[AnyMessage] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._send(Envelope(number, answers=False, message=message))
            async with asyncio.timeout(within_secs):
                told = await answer
        finally:
            del self._asked[number]
        if isinstance(told, Fault):
            raise raised(told)
        return told

    async def receive(self) -> AnyMessage | None:
        """Return the next message that wants no answer, before ``run``; None at the end of the line."""
        envelope = await self._next()
        return None if envelope is None else envelope.message

    async def run(self, take: Callable[[AnyMessage], Awaitable[AnyMessage | None]]) -> None:
        """Hand every message to ``take``, which returns the answer of a question, until the line ends."""
        try:
            while (envelope := await self._next()) is not None:
                if envelope.answers:
                    self._answered(envelope)
                else:
                    _ = self._tasks.spawn(type(envelope.message).__name__, self._taken(envelope, take))
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the line once what was said is sent, fail what waits, finish what was heard; may be called twice."""
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(LostPeerError("the other end is gone"))
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_SECS):
                await self._writer.wait_closed()
        await self._tasks.idle(LAST_SECS)
        await self._tasks.aclose()

    async def _taken(self, envelope: Envelope, take: Callable[[AnyMessage], Awaitable[AnyMessage | None]]) -> None:
        try:
            answer = await take(envelope.message)
        except GatewayError as error:
            answer = fault(error)
        if envelope.number:
            self._send(Envelope(envelope.number, answers=True, message=answer or Done()))

    def _answered(self, envelope: Envelope) -> None:
        answer = self._asked.get(envelope.number)
        if answer is not None and not answer.done():
            answer.set_result(envelope.message)

    def _send(self, envelope: Envelope) -> None:
        if self._writer.is_closing():
            return
        frame = self._encoder.encode(envelope)
        self._writer.write(len(frame).to_bytes(LENGTH_BYTES) + frame)
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._writer.transport.abort()

    async def _next(self) -> Envelope | None:
        """Return what comes next; None at the end of the line, which is also where it makes no sense."""
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
            if length > MAX_FRAME_BYTES:
                return None
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.MsgspecError):
            return None
