from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from smg.core.request import ReplyHead, reply
from smg.server.http1.listener import Bind, Listener
from tests.resilience.support import ManualClock
from tests.server.http1.front import LIMITS, Front

SLOW = replace(LIMITS, head_secs=10, idle_secs=75, body_idle_secs=20, body_grace_secs=10, body_rate=1024, stall_secs=10)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"


async def _take(request: Any, sink: Any) -> Any:
    await request.receive()
    reply(sink, 200, b"ok", ())


class _Timed(Front):
    """A front whose time only the test moves, and whose sweep only the test runs."""

    def __init__(self, handler: Any, limits: Any) -> None:
        super().__init__(handler, limits)
        self.time = ManualClock()
        self.listener = Listener(self.around(handler), self.fault, limits, self.time)

    async def pass_secs(self, secs: float) -> None:
        """Let time pass, look at every connection once, and let the loop work off what comes of it."""
        await self.settle()
        self.time.time += secs
        self.listener._crowd.sweep(self.time.now())
        await self.settle()

    @staticmethod
    async def settle() -> None:
        """Let what is on its way over the loopback arrive."""
        for _ in range(20):
            await asyncio.sleep(0.001)


@asynccontextmanager
async def _timed(handler: Any = _take, limits: Any = SLOW) -> Any:
    served = _Timed(handler, limits)
    await served.listener.start(Bind(host="127.0.0.1", port=0))
    assert served.listener._timer is not None
    served.listener._timer.cancel()
    try:
        async with asyncio.timeout(10):
            yield served
    finally:
        await served.listener.aclose()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_head_has_its_deadline(sent: Any) -> None:
    """No byte, or half a head, is waited for until the limit and no longer."""
    async with _timed() as served:
        reader, writer = await served.connect()
        writer.write(sent)
        await served.pass_secs(9.9)
        assert served.listener.connections == 1
        await served.pass_secs(0.2)
        assert await reader.read() == b""
        assert served.listener.connections == 0
        writer.close()


async def test_trickled_head_gets_no_more_time_by_each_byte() -> None:
    """A byte a second does not keep a connection."""
    async with _timed() as served:
        _, writer = await served.connect()
        for byte in b"GET / HTTP/1":
            writer.write(bytes([byte]))
            await served.pass_secs(1)
        assert served.listener.connections == 0
        writer.close()


async def test_idle_connection_is_kept_longer_than_a_head_may_take() -> None:
    """Between requests the keep-alive limit holds; a new head then has its own."""
    async with _timed() as served:
        reader, writer = await served.connect()
        writer.write(GET)
        await reader.readuntil(b"ok")
        await served.pass_secs(74)
        writer.write(b"GET / ")
        await served.pass_secs(9)
        assert served.listener.connections == 1
        await served.pass_secs(2)
        assert served.listener.connections == 0
        writer.close()


async def test_idle_connection_ends() -> None:
    """At the keep-alive limit."""
    async with _timed() as served:
        reader, writer = await served.connect()
        writer.write(GET)
        await reader.readuntil(b"ok")
        await served.pass_secs(76)
        assert await reader.read() == b""
        writer.close()


async def test_silent_body_is_refused() -> None:
    """408 at the idle limit, though the rate was good until then."""
    async with _timed() as served:
        reader, writer = await served.connect()
        writer.write(POST + b"x" * 60_000)
        await served.pass_secs(19)
        assert served.listener.connections == 1
        await served.pass_secs(2)
        assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_body_must_keep_a_rate() -> None:
    """Ten bytes a second are refused when the grace is over, not at the end of the body."""
    async with _timed() as served:
        reader, writer = await served.connect()
        writer.write(POST)
        for _ in range(11):
            writer.write(b"x" * 10)
            await served.pass_secs(1)
        answer = await reader.readuntil(b"}}")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer
        writer.close()


async def test_running_request_has_no_deadline_here() -> None:
    """What the handler takes its time for is not the caller's fault."""

    async def handler(_request: Any, _sink: Any) -> Any:
        await asyncio.Event().wait()

    async with _timed(handler) as served:
        _, writer = await served.connect()
        writer.write(GET)
        for _ in range(3):
            await served.pass_secs(1000)
        assert served.listener.connections == 1
        writer.close()


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

    async with _timed(handler) as served:
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


async def test_longest_waiting_leaves_when_there_are_too_many() -> None:
    """Beyond the cap the oldest idle connection goes, never one whose request runs; where all run, the new one."""
    go = asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        await go.wait()
        reply(sink, 200, b"ok", ())

    async with _timed(handler, replace(SLOW, connections=2)) as served:
        busy_reader, busy = await served.connect()
        busy.write(GET)
        await served.settle()
        idle_reader, idle = await served.connect()
        await served.settle()
        second_reader, second = await served.connect()
        assert await idle_reader.read() == b""
        second.write(GET)
        await served.settle()
        third_reader, third = await served.connect()
        assert await third_reader.read() == b""
        go.set()
        for reader in (busy_reader, second_reader):
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        assert served.listener.connections == 2
        for writer in (busy, idle, second, third):
            writer.close()


async def test_refused_caller_who_does_not_go_is_cut() -> None:
    """After a refusal the rest is thrown away for a moment, not for ever."""
    async with _timed() as served:
        reader, writer = await served.connect()
        writer.write(b"nonsense\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        assert served.listener.connections == 1
        await served.pass_secs(1.1)
        assert served.listener.connections == 0
        writer.close()


async def test_closing_ends_at_once() -> None:
    """Idle, half-read and running connections are all gone within a second, their handlers cancelled."""
    ended = asyncio.Event()

    async def handler(_request: Any, _sink: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with _timed(handler) as served:
        writers = [(await served.connect())[1] for _ in range(3)]
        writers[0].write(GET)
        writers[1].write(b"GET /")
        await served.settle()
        async with asyncio.timeout(1):
            await served.listener.aclose()
        assert ended.is_set()
        await served.settle()
        assert served.listener.connections == 0
        for writer in writers:
            writer.close()
