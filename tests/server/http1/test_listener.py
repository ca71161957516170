from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import sys
import termios
from typing import Any

import aiohttp
import pytest
from yarl import URL

from smg.core.errors import ConfigError
from smg.core.events import RequestFinished
from smg.core.request import ReplyHead, reply
from smg.server.http1.listener import Bind
from tests.server.http1.front import LIMITS, Front, front


async def _echo(request: Any, sink: Any) -> Any:
    body = await request.receive()
    told = {"method": request.method, "path": request.path, "query": request.query, "body": body.decode()}
    reply(sink, 200, json.dumps(told).encode())


async def test_request_is_handed_over_whole() -> None:
    """Method, decoded path, raw query and body reach the handler."""
    async with front(_echo) as served, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{served.listener.port}/a%20b?x=%31"
        async with session.post(URL(url, encoded=True), data=b"{}") as answer:
            told = await answer.json()

    assert told == {"method": "POST", "path": "/a b", "query": "x=%31", "body": "{}"}


async def test_connection_is_kept_between_requests() -> None:
    """Two requests share one connection, answered in order."""
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n%b\r\n%b"
    async with front(_echo) as served:
        answer = await served.talk(request % (b"", b"1") + request % (b"Connection: close\r\n", b"2"))

    assert [answer.count(b"HTTP/1.1 200"), answer.count(b'"body": "1"'), answer.count(b'"body": "2"')] == [2, 1, 1]


async def test_answers_after_closing_are_the_last_on_their_connection() -> None:
    """While the gateway stops, no connection is kept."""
    async with front(_echo) as served:
        served.listener.closing = True
        answer = await served.talk(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"connection: close" in answer


async def test_stopped_listener_finishes_what_runs_and_closes_what_is_idle() -> None:
    """After the socket is closed nobody new gets in, an idle caller is let go, and a running request is answered."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        begun.set()
        await go.wait()
        reply(sink, 200, b"whole")

    async with front(handler) as served, asyncio.timeout(5):
        idle_reader, idle_writer = await served.connect()
        reader, writer = await served.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        served.listener.closing = True
        await served.listener.stop_accepting()
        await served.listener.stop_accepting()

        with pytest.raises(OSError, match="onnect"):
            await served.connect()
        assert await idle_reader.read() == b""
        go.set()
        assert (await reader.read()).endswith(b"whole")
        writer.close()
        idle_writer.close()


async def test_caller_who_leaves_cancels_the_handler() -> None:
    """A hang-up ends the handler at once, though nothing was being written, and is told as 499."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with front(handler) as served, asyncio.timeout(5):
        _, writer = await served.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        assert served.listener.connections == 1
        writer.close()
        await ended.wait()

    [told] = served.observer.events
    assert isinstance(told, RequestFinished)
    assert told.trail.status == 499


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls hello"),
        pytest.param(b"GET sk-secret HTTP/1.1\r\nHost: a\r\n\r\n", id="no path"),
        pytest.param(b"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", id="dot segments"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", id="two hosts"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nsk-secret\x01: b\r\n\r\n", id="bad field"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", id="two lengths"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="gzip, chunked"
        ),
        pytest.param(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunks in 1.0"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", id="version"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", id="connect"),
    ],
)
async def test_bad_head_is_refused_in_the_one_error_shape(sent: Any) -> None:
    """What is not plain HTTP/1 gets 400, our JSON, a request id and a close, with none of its bytes quoted."""
    async with front(_echo) as served:
        answer = await served.talk(sent)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "bad_request"
    assert b"x-request-id: " in head
    assert b"secret" not in answer
    assert b"erver" not in head


async def test_taken_port_is_a_setting_that_cannot_be_used() -> None:
    """The message says which address it was."""
    async with front(_echo) as first:
        with pytest.raises(ConfigError, match=f"127.0.0.1:{first.listener.port}"):
            await Front(_echo, LIMITS).listener.start(Bind(host="127.0.0.1", port=first.listener.port))


async def test_kernel_takes_little_for_a_caller_who_takes_nothing() -> None:
    """What waits to be sent to a deaf caller waits here, where it is counted, and not in the kernel."""

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        sink.write(b"x" * (1 << 23))
        await sink.drain()

    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        caller.setblocking(False)
        async with front(handler) as served:
            await asyncio.get_running_loop().sock_connect(caller, ("127.0.0.1", served.listener.port))
            caller.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            async with asyncio.timeout(5):
                while not (taken := _unsent(served)):  # noqa: ASYNC110  (nothing tells of it)
                    await asyncio.sleep(0)

    assert taken <= 256 << 10


def _unsent(served: Front) -> int:
    """Return the bytes that the kernel holds for all callers."""
    connections: Any = served.listener._crowd._all
    numbers = [one._transport.get_extra_info("socket").fileno() for one in connections]
    told = [fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)) for number in numbers]
    return sum(int.from_bytes(each, sys.byteorder) for each in told)
