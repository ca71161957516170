from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from smg.core.request import ReplyHead, reply
from tests.server.http1.front import front

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


def _fields(answer: Any) -> Any:
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [tuple(line.split(b": ", 1)) for line in head]


async def test_fields_leave_as_they_were_given() -> None:
    """Order, spelling, repeats and bytes beyond ASCII stay; nothing is added that the handler did not say."""
    given = ((b"Set-Cookie", b"a=1"), (b"X-Name", b"caf\xe9"), (b"set-cookie", b"b=2"))

    async def handler(_request: Any, sink: Any) -> Any:
        reply(sink, 200, b"x", given)

    async with front(handler) as served:
        answer = await served.talk(GET)

    fields = _fields(answer)
    assert fields[:3] == list(given)
    assert [name for name, _ in fields[3:]] == [b"x-request-id", b"date", b"content-length", b"connection"]


async def test_an_answer_in_place_of_one_that_could_not_be_sent_is_amended_as_well() -> None:
    """A head that holds a line break is not sent; the one that is sent instead has all that was to be added."""

    async def handler(_request: Any, sink: Any) -> Any:
        sink.amend(lambda head: ReplyHead(head.status, head.headers, head.length, (*head.own, (b"x-own", b"1"))))
        with pytest.raises(ValueError, match="line break"):
            sink.start(ReplyHead(200, ((b"x-broken", b"a\r\nb"),), 0))
        reply(sink, 500, b"")

    async with front(handler) as served:
        answer = await served.talk(GET)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert [name for name, _ in _fields(answer)][:3] == [b"content-type", b"x-own", b"x-request-id"]


async def test_streamed_body_goes_out_in_chunks_as_written() -> None:
    """Each write reaches the caller before the next one is made; the end is marked."""
    step = asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        for piece in (b"one", b"two"):
            sink.write(piece)
            await step.wait()
            step.clear()
        sink.finish()

    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        for piece in (b"one", b"two"):
            assert await reader.readuntil(piece + b"\r\n") == b"3\r\n" + piece + b"\r\n"
            step.set()
        assert await reader.read() == b"0\r\n\r\n"
        writer.close()


async def test_head_of_a_stream_is_sent_by_drain() -> None:
    """A head whose body has yet to come asks to be drained, and then leaves alone."""
    seen = asyncio.Event()
    paused = []

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        paused.append(sink.paused)
        await sink.drain()
        paused.append(sink.paused)
        await seen.wait()
        sink.finish()

    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        seen.set()
        assert await reader.read() == b"0\r\n\r\n"
        writer.close()
    assert paused == [True, False]


async def test_http_1_0_gets_a_body_to_the_connections_end() -> None:
    """Who knows no chunks gets plain bytes and a close, even when asking to keep the connection."""

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        sink.write(b"all")
        sink.finish()

    async with front(handler) as served:
        answer = await served.talk(OLD)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\nall")
    assert b"chunked" not in answer


async def test_head_request_gets_the_length_but_no_body() -> None:
    """HEAD is answered like GET, without the body."""

    async def handler(_request: Any, sink: Any) -> Any:
        reply(sink, 200, b"four")

    async with front(handler) as served:
        answer = await served.talk(GET.replace(b"GET", b"HEAD"))

    assert b"content-length: 4\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_204_has_neither_body_nor_length() -> None:
    """No content means no framing either."""

    async def handler(_request: Any, sink: Any) -> Any:
        reply(sink, 204, b"", ())

    async with front(handler) as served:
        answer = await served.talk(GET)

    assert b"content-length" not in answer
    assert b"chunked" not in answer


@pytest.mark.parametrize("body", [b"sho", b"longer"])
async def test_body_of_another_length_is_cut(body: Any) -> None:
    """A body that is not as long as its head said never passes for whole."""

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, (), 4))
        sink.write(body)
        sink.finish()

    async with front(handler) as served, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(f"http://127.0.0.1:{served.listener.port}/") as answer:
                await answer.read()


@pytest.mark.parametrize("value", [b"1\r\nx-b: 2", b"1\nx-b: 2", b"1\rx-b: 2", b"1\0x-b"])
async def test_line_break_in_a_field_is_refused(value: Any) -> None:
    """No field can smuggle another: the answer becomes a 500."""

    async def handler(_request: Any, sink: Any) -> Any:
        reply(sink, 200, b"", ((b"x-a", value),))

    async with front(handler) as served:
        answer = await served.talk(GET)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"x-b" not in answer


async def test_caller_who_takes_nothing_is_cut_off() -> None:
    """A full connection is drained for the stall limit and no longer, and the writer learns of it."""
    ended = asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        try:
            while True:
                sink.write(b"x" * 65536)
                if sink.paused:
                    await sink.drain()
        except ConnectionResetError:
            ended.set()
            raise

    async with front(handler) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        async with asyncio.timeout(5):
            await ended.wait()
        writer.close()
        del reader


async def test_unfinished_answer_is_cut() -> None:
    """A handler that forgets the end does not leave the caller waiting."""

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        sink.write(b"half")

    async with front(handler) as served, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(f"http://127.0.0.1:{served.listener.port}/") as answer:
                await answer.read()
