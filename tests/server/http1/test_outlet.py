from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from smg.core.request import ReplyHead
from smg.middleware.failures import refusing
from smg.server.http1.connection import Connection
from smg.server.http1.crowd import Crowd
from smg.server.http1.memory import BodyMemory
from smg.server.http1.service import Service
from tests.resilience.support import ManualClock
from tests.server.http1.timed import GET, SLOW, timed


async def test_slow_reader_is_kept_while_it_reads_and_cut_when_it_stops() -> None:
    """Progress counts, not speed; a caller who takes nothing for the stall limit is cut, and the writer told."""
    told = asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        try:
            while True:
                sink.write(b"x" * 65536)
                if sink.paused:
                    await sink.drain()
        except ConnectionResetError:
            told.set()
            raise

    async with timed(handler) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        for _ in range(4):
            await served.pass_secs(6)
            [connection] = served.listener._crowd._all
            left = connection._transport.get_write_buffer_size()
            while connection._transport.get_write_buffer_size() == left and connection.full:
                await reader.read(1 << 20)
        await served.pass_secs(1)
        assert not told.is_set()
        writer.transport.pause_reading()
        for _ in range(3):
            await served.pass_secs(6)
        await told.wait()
        writer.transport.abort()


class _Pipe(asyncio.Transport):
    """A network that takes as much as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent = 0
        self.sent = b""
        self.aborted = False

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    @override
    def get_write_buffer_size(self) -> int:
        return self.unsent

    @override
    def is_closing(self) -> bool:
        return self.aborted

    @override
    def abort(self) -> None:
        self.aborted = True


def _outlet(pipe: _Pipe, clock: ManualClock) -> Connection:
    shared: Any = {"handler": refusing, "fault": refusing, "crowd": Crowd(1), "memory": BodyMemory(1)}
    outlet = Connection(Service(limits=SLOW, clock=clock, **shared))
    outlet.connection_made(pipe)
    return outlet


@pytest.mark.parametrize("end", ["lost", "aborted"])
async def test_nothing_is_sent_to_who_has_gone(end: str) -> None:
    """Whoever still answers may go on without an error, and it goes nowhere."""
    pipe = _Pipe()
    outlet = _outlet(pipe, ManualClock())
    outlet.send(b"here")
    if end == "lost":
        outlet.connection_lost(None)
    else:
        outlet.abort()
    outlet.send(b"gone")
    assert pipe.sent == b"here"


async def test_each_byte_taken_gives_more_time() -> None:
    """A buffer that shrinks, however slowly, is waited for; one that does not is cut at the stall limit."""
    clock, pipe = ManualClock(), _Pipe()
    outlet = _outlet(pipe, clock)
    pipe.unsent = 1000
    outlet.pause_writing()
    for _ in range(20):
        clock.time += 9
        pipe.unsent -= 1
        outlet.check_progress(clock.now())
    clock.time += 9
    outlet.check_progress(clock.now())
    assert not pipe.aborted

    clock.time += 1
    outlet.check_progress(clock.now())
    assert pipe.aborted
