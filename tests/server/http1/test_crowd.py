from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from smg.core.request import reply
from smg.server.http1.crowd import CANCELLED_AT_ONCE, Crowd
from tests.server.http1.timed import GET, POST, SLOW, timed


async def _take(request: Any, sink: Any) -> Any:
    await request.receive()
    reply(sink, 200, b"ok", ())


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_head_has_its_deadline(sent: Any) -> None:
    """No byte, or half a head, is waited for until the limit and no longer."""
    async with timed(_take) as served:
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
    async with timed(_take) as served:
        _, writer = await served.connect()
        for byte in b"GET / HTTP/1":
            writer.write(bytes([byte]))
            await served.pass_secs(1)
        assert served.listener.connections == 0
        writer.close()


async def test_idle_connection_is_kept_longer_than_a_head_may_take() -> None:
    """Between requests the keep-alive limit holds; a new head then has its own."""
    async with timed(_take) as served:
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
    async with timed(_take) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        await reader.readuntil(b"ok")
        await served.pass_secs(76)
        assert await reader.read() == b""
        writer.close()


async def test_silent_body_is_refused() -> None:
    """408 at the idle limit, though the rate was good until then."""
    async with timed(_take) as served:
        reader, writer = await served.connect()
        writer.write(POST + b"x" * 60_000)
        await served.pass_secs(19)
        assert served.listener.connections == 1
        await served.pass_secs(2)
        assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_body_must_keep_a_rate() -> None:
    """Ten bytes a second are refused when the grace is over, not at the end of the body."""
    async with timed(_take) as served:
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

    async with timed(handler) as served:
        _, writer = await served.connect()
        writer.write(GET)
        for _ in range(3):
            await served.pass_secs(1000)
        assert served.listener.connections == 1
        writer.close()


async def test_longest_waiting_leaves_when_there_are_too_many() -> None:
    """Beyond the cap the oldest idle connection goes, never one whose request runs; where all run, the new one."""
    go = asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        await go.wait()
        reply(sink, 200, b"ok", ())

    async with timed(handler, replace(SLOW, connections=2)) as served:
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
    async with timed(_take) as served:
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

    async with timed(handler) as served:
        writers = [(await served.connect())[1] for _ in range(3)]
        writers[0].write(GET)
        writers[1].write(b"GET /")
        await served.settle()
        async with asyncio.timeout(5):
            await served.listener.aclose()
        assert ended.is_set()
        await served.settle()
        assert served.listener.connections == 0
        for writer in writers:
            writer.close()


async def test_many_who_leave_at_once_are_let_go_in_turns() -> None:
    """Each turn of the loop ends a few of their requests, so that others have theirs in between; all end."""
    crowd, loop = Crowd(1000), asyncio.get_running_loop()
    tasks = [loop.create_task(asyncio.Event().wait()) for _ in range(3 * CANCELLED_AT_ONCE)]
    await asyncio.sleep(0)
    for task in tasks:
        crowd.abandon(task)
    ended = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        ended.append(sum(task.done() for task in tasks))

    assert max(later - earlier for earlier, later in pairwise(ended)) <= CANCELLED_AT_ONCE
    assert all(task.cancelled() for task in tasks)
