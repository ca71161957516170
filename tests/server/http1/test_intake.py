from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smg.core.request import reply
from smg.server.http1 import intake
from smg.server.http1.intake import SizedBody
from tests.server.http1.front import LIMITS, front

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
SMALL = replace(LIMITS, body_bytes=8)


async def _take(request: Any, sink: Any) -> Any:
    reply(sink, 200, await request.receive(), ())


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(POST + b"Content-Length: 8\r\nConnection: close\r\n\r\n12345678", id="by length"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\n123\r\n5\r\n45678\r\n0\r\n\r\n",
            id="by chunks",
        ),
    ],
)
async def test_body_up_to_the_limit_is_read(sent: Any) -> None:
    """The limit itself still fits, whole or in chunks."""
    async with front(_take, SMALL) as served:
        answer = await served.talk(sent)

    assert answer.endswith(b"\r\n\r\n12345678")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(POST + b"Content-Length: 9\r\n\r\n", id="by length, unread"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n", id="by chunks, unended"),
    ],
)
async def test_body_beyond_the_limit_is_refused_and_the_connection_closed(sent: Any) -> None:
    """413 comes before the rest of the body, and nothing more is read from that connection."""
    async with front(_take, SMALL) as served:
        answer = await served.talk(sent)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "payload_too_large"


async def test_silent_body_is_refused_in_time() -> None:
    """A body that stops coming is given up after the idle limit: 408 and a close."""
    async with front(_take) as served:
        answer = await served.talk(POST + b"Content-Length: 8\r\n\r\n1234")

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_broken_chunks_are_refused() -> None:
    """A body whose framing breaks is a 400."""
    async with front(_take) as served:
        answer = await served.talk(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nxyz\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"identity, gzip"])
async def test_compressed_body_is_refused_unread(coding: Any) -> None:
    """No coding but identity is served: 415."""
    async with front(_take) as served:
        answer = await served.talk(POST + b"Content-Encoding: " + coding + b"\r\nContent-Length: 1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 415 ")


async def test_body_is_invited_only_once_it_is_wanted() -> None:
    """Who waits for 100 Continue gets it when the handler reads, and the final answer after the body."""
    async with front(_take) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.read()).endswith(b"body")
        writer.close()


async def test_oversize_body_is_not_invited() -> None:
    """Who announces too much gets the refusal instead of 100 Continue."""
    async with front(_take, SMALL) as served:
        answer = await served.talk(POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_body_that_comes_uninvited_is_not_invited() -> None:
    """Who does not wait for 100 Continue gets the answer alone."""
    async with front(_take) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 8\r\nConnection: close\r\n\r\n1234")
        await asyncio.sleep(0.05)
        writer.write(b"5678")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


SHARED = replace(LIMITS, body_memory_bytes=10)
HELD = POST + b"Content-Length: 6\r\n\r\n123456"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(POST + b"Content-Length: 5\r\n\r\n", id="by length, unread"),
        pytest.param(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", id="by length, not invited"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n", id="by chunks, unended"),
    ],
)
async def test_body_without_room_beside_those_held_is_refused_and_the_connection_closed(sent: Any) -> None:
    """503 with a time to come back, before the rest; once the other's answer has ended, the same is served."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def handler(request: Any, sink: Any) -> None:
        body = await request.receive()
        begun.set()
        await go.wait()
        reply(sink, 200, body, ())

    async with front(handler, SHARED) as served, asyncio.timeout(5):
        _, writer = await served.connect()
        writer.write(HELD)
        await begun.wait()
        assert served.listener.body_bytes == 6
        refused = await served.talk(sent)
        go.set()
        again = await served.talk(HELD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        writer.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in refused
    assert b"retry-after: 1\r\n" in refused
    assert json.loads(refused.partition(b"\r\n\r\n")[2])["error"]["code"] == "gateway_overloaded"
    assert again.startswith(b"HTTP/1.1 200 ")


async def test_body_that_fills_the_room_exactly_is_read() -> None:
    """The budget itself may be held."""
    async with front(_take, SHARED) as served:
        answer = await served.talk(POST + b"Content-Length: 10\r\nConnection: close\r\n\r\n1234567890")

    assert answer.endswith(b"1234567890")


async def test_body_given_up_is_off_the_account_at_once() -> None:
    """What was thrown away is not held, though its request still waits for something else."""
    go = asyncio.Event()

    async def handler(request: Any, sink: Any) -> None:
        await go.wait()
        await _take(request, sink)

    async with front(handler, SMALL) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
        while served.listener.body_bytes != 5:  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.001)
        writer.write(b"4\r\n6789\r\n")
        while served.listener.body_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        go.set()
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        writer.close()


@pytest.mark.parametrize("reserved", [1, 64, 1 << 20])
@pytest.mark.parametrize("sizes", [[100], [1, 99], [33, 33, 34], [1] * 100])
def test_body_in_pieces_is_whole(reserved: Any, sizes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is cut, whether it outgrows what was reserved, and with the next message behind it."""
    monkeypatch.setattr(intake, "RESERVED_BYTES", reserved)
    sent, body, at, rest = bytes(range(100)), SizedBody(100), 0, b""

    for size in sizes:
        assert (body.size, body.done) == (at, False)
        rest = body.feed(sent[at : at + size] + (b"next" if at + size == len(sent) else b""))
        at += size

    assert (body.content, body.size, body.done, rest) == (sent, 100, True, b"next")


def test_reserved_room_costs_no_memory() -> None:
    """A caller who announces much and sends little is given no more than it sent."""
    announced = 8 << 20
    bodies = [SizedBody(announced) for _ in range(64)]
    before = _resident_bytes()
    for body in bodies:
        body.feed(b"x")

    assert _resident_bytes() - before < 4 * announced


def _resident_bytes() -> int:
    told = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(told[1]) * os.sysconf("SC_PAGE_SIZE")
