from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import weakref
from dataclasses import replace
from typing import Any

import pytest
import trustme
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.core.clock import MonotonicClock
from smg.core.request import ReplyHead, reply
from smg.server.http1.connection import READ_AHEAD_BYTES
from smg.server.http1.listener import Bind, Listener
from smg.wire.http_head import HeadLimits
from tests.server.http1.front import LIMITS, front

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SESSION = (
    b"POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n"
    b"POST /three HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nwiki\r\n1\r\n!\r\n0\r\nt: u\r\n\r\n"
    b"POST /four HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
EXPECTED = [b"/one:hello", b"/two:", b"/three:wiki!", b"/four:"]


async def _tell(request: Any, sink: Any) -> Any:
    reply(sink, 200, request.path.encode() + b":" + await request.receive(), ())


def _bodies(answer: bytes) -> Any:
    bodies, at = [], 0
    while at < len(answer):
        end = answer.index(b"\r\n\r\n", at) + 4
        [length] = [int(line[15:]) for line in answer[at:end].split(b"\r\n") if line.startswith(b"content-length:")]
        bodies.append(answer[end : end + length])
        at = end + length
    return bodies


async def _talk_in_pieces(pieces: Any) -> Any:
    async with front(_tell) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        answer = await reader.read()
        writer.close()
        return answer


@settings(max_examples=25)
@given(st.lists(st.integers(1, len(SESSION) - 1), max_size=30).map(lambda cuts: sorted(set(cuts))))
def test_requests_are_the_same_at_any_split(cuts: Any) -> None:
    """Four requests over one connection, cut anywhere: four answers, in order, each to its own body."""
    pieces = [SESSION[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(SESSION)], strict=True)]

    assert _bodies(uvloop.run(_talk_in_pieces(pieces))) == EXPECTED


def test_requests_are_answered_byte_by_byte_on_either_loop() -> None:
    """The standard loop and uvloop serve alike."""
    pieces = [SESSION[at : at + 1] for at in range(len(SESSION))]

    assert _bodies(asyncio.run(_talk_in_pieces(pieces))) == EXPECTED
    assert _bodies(uvloop.run(_talk_in_pieces(pieces))) == EXPECTED


async def test_pipelined_requests_are_handled_one_at_a_time_and_read_no_further_than_the_bound() -> None:
    """Behind a request that runs, no other begins, and what is sent meanwhile stays in the caller's socket."""
    running, go = [], asyncio.Event()

    async def handler(request: Any, sink: Any) -> Any:
        running.append(request.path)
        await go.wait()
        reply(sink, 200, request.path.encode(), ())

    async with front(handler) as served, asyncio.timeout(10):
        reader, writer = await served.connect()
        count = 6_000
        writer.write(b"".join(GET % number for number in range(count)) + LAST)
        [connection] = await _until(lambda: _members(served))
        await _until(lambda: not connection._reading)
        assert running == ["/0"]
        assert len(connection._ahead) < READ_AHEAD_BYTES + (256 << 10)
        go.set()
        bodies = _bodies(await reader.read())
        writer.close()
    assert bodies == [*(b"/%d" % number for number in range(count)), b"/last"]


async def test_others_have_a_turn_between_requests_that_wait_in_line() -> None:
    """Even where none of them waits for anything."""
    turns: list[int] = []
    turn = 0

    def tick() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(tick)

    async def handler(_request: Any, sink: Any) -> Any:
        turns.append(turn)
        reply(sink, 200, b"", ())

    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        asyncio.get_running_loop().call_soon(tick)
        writer.write(GET % 1 * 20 + LAST)
        await reader.read()
        writer.close()
    assert len(turns) == len(set(turns)) == 21


class Mark:
    """Lives as long as the request that holds it."""


async def test_nothing_of_a_request_is_kept_until_the_next() -> None:
    """Its body may be large, and the connection idle for long."""
    kept: list[weakref.ref[Any]] = []

    async def handler(request: Any, sink: Any) -> Any:
        request.params["mark"] = mark = Mark()
        kept.append(weakref.ref(mark))
        reply(sink, 200, await request.receive(), ())

    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            assert (await reader.readuntil(b"hello")).endswith(b"hello")
            await asyncio.sleep(0)
            assert kept.pop()() is None
        writer.close()


def _members(served: Any) -> Any:
    return [*served.listener._crowd._all]


async def _until(met: Any) -> Any:
    async with asyncio.timeout(5):
        while not (found := met()):  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.001)
        return found


async def test_pipelined_answers_wait_for_a_caller_who_reads() -> None:
    """While the answers sent are not taken, no further request begins."""
    begun = 0

    async def handler(_request: Any, sink: Any) -> Any:
        nonlocal begun
        begun += 1
        reply(sink, 200, b"x" * 50_000)

    async with front(handler, replace(LIMITS, stall_secs=10)) as served, asyncio.timeout(10):
        reader, writer = await served.connect()
        writer.write(b"".join(GET % number for number in range(500)) + LAST)
        await _until(lambda: any(connection.full for connection in _members(served)))
        assert begun < 250
        assert len(_bodies(await reader.read())) == 501
        writer.close()


async def test_wanted_body_is_read_and_another_is_not() -> None:
    """Before the handler asks, no more than the bound of a body is taken in; then all of it."""
    go = asyncio.Event()

    async def handler(request: Any, sink: Any) -> Any:
        await go.wait()
        reply(sink, 200, b"%d" % len(await request.receive()), ())

    size = 900_000
    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(b"x" * size)
        [connection] = await _until(lambda: _members(served))
        await _until(lambda: not connection._reading)
        assert connection._intake.size < READ_AHEAD_BYTES + (256 << 10)
        go.set()
        assert (await reader.read()).endswith(b"%d" % size)
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + GET % 1, id="post"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n" + GET % 1, id="get"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + GET % 1, id="upgrade"),
    ],
)
async def test_unread_body_is_never_a_request(sent: Any) -> None:
    """An answer given before the body was read is the last, and arrives whole though the body is thrown away."""

    async def handler(_request: Any, sink: Any) -> Any:
        reply(sink, 403, b"no", ())

    async with front(handler) as served:
        answer = await served.talk(sent)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nno")


async def test_refusal_is_not_lost_to_a_reset() -> None:
    """Who keeps on sending megabytes still gets to read why it was refused."""

    async def handler(_request: Any, sink: Any) -> Any:
        reply(sink, 403, b"no", ())

    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x" * 65536)
            await asyncio.sleep(0)
        answer = await reader.readuntil(b"no")
        writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_refusal_reaches_a_caller_who_has_said_all() -> None:
    """A half-closed connection still gets its 400, though that takes a while."""
    ended = asyncio.Event()

    def fault(_error: Any) -> Any:
        async def refuse(_request: Any, sink: Any) -> Any:
            await ended.wait()
            reply(sink, 400, b"no")

        return refuse

    async with _bare(_tell, fault) as listener, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"nonsense\r\n\r\n")
        writer.write_eof()
        await asyncio.sleep(0.05)
        ended.set()
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()


@contextlib.asynccontextmanager
async def _bare(handler: Any, fault: Any) -> Any:
    listener = Listener(handler, fault, replace(LIMITS, stall_secs=10), MonotonicClock())
    await listener.start(Bind(host="127.0.0.1", port=0))
    try:
        yield listener
    finally:
        await listener.aclose()


async def test_answers_wait_for_their_reader_whatever_the_handler_does() -> None:
    """A handler that never drains does not make the connection take on more than its buffer."""
    begun = 0

    async def handler(_request: Any, sink: Any) -> Any:
        nonlocal begun
        begun += 1
        reply(sink, 200, b"x" * 50_000)

    async with _bare(handler, None) as listener, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"".join(GET % number for number in range(500)) + LAST)
        await _until(lambda: any(member.full for member in [*listener._crowd._all]))
        await asyncio.sleep(0.05)
        assert begun < 400
        assert len(_bodies(await reader.read())) == 501
        writer.close()


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_leaving_cancels_what_runs_once(how: Any) -> None:
    """A caller's end, polite or not, cancels its request at once, and clean-up that awaits is not cancelled again."""
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def handler(request: Any, _sink: Any) -> Any:
        await request.receive()
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    async with front(handler) as served, asyncio.timeout(5):
        _, writer = await served.connect()
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.write(GET % 1)
        await begun.wait()
        writer.close()
        await cleaned.wait()
        await _until(lambda: served.listener.connections == 0)


async def test_leaving_in_the_middle_of_a_body_cancels_its_reader() -> None:
    """The handler that waits for the rest is not left waiting."""
    ended = asyncio.Event()

    async def handler(request: Any, _sink: Any) -> Any:
        try:
            await request.receive()
        finally:
            ended.set()

    async with front(handler) as served, asyncio.timeout(5):
        _, writer = await served.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123")
        await asyncio.sleep(0.01)
        writer.close()
        await ended.wait()


async def test_head_too_large_is_told_so() -> None:
    """431 and 414, in the one shape, and a close, whole or not."""
    limits = replace(LIMITS, head=HeadLimits(line_bytes=64, fields=3, head_bytes=128))
    field = b"x: " + b"a" * 40 + b"\r\n"
    async with front(_tell, limits) as served:
        for sent, line in (
            (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 3 + b"\r\n", b"HTTP/1.1 431 "),
            (b"GET / HTTP/1.1\r\nHost: a\r\n" + field * 3, b"HTTP/1.1 431 "),
            (b"GET /" + b"a" * 64, b"HTTP/1.1 414 "),
        ):
            answer = await served.talk(sent)
            assert answer.startswith(line)
            assert b"x-request-id: " in answer
            assert b"connection: close" in answer


async def test_unserved_handler_faults_cut_the_connection() -> None:
    """A handler that neither answers nor raises leaves nobody waiting."""

    async def handler(_request: Any, _sink: Any) -> Any:
        return

    async with front(handler) as served, asyncio.timeout(5):
        reader, writer = await served.connect()
        writer.write(GET % 1)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls(authority: trustme.CA) -> Any:
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_tls_is_served_alike(run: Any, authority: Any) -> None:
    """Requests, streams, refusals and the caller's leaving work over TLS too."""

    async def talk() -> Any:
        server, client = _tls(authority)
        async with front(_tell) as plain, asyncio.timeout(10):
            listener = Listener(plain.around(_tell), plain.fault, LIMITS, plain.clock)
            await listener.start(Bind(host="127.0.0.1", port=0, tls=server))
            answers = []
            for sent in (SESSION, b"nonsense\r\n\r\n"):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", listener.port, ssl=client, server_hostname="localhost"
                )
                writer.write(sent)
                answers.append(await reader.read())
                writer.close()
            await listener.aclose()
            return answers

    good, refused = run(talk())
    assert _bodies(good) == EXPECTED
    assert refused.startswith(b"HTTP/1.1 400 ")


async def test_streams_go_on_after_the_head_request_of_another() -> None:
    """HEAD has no body, and the connection goes on behind it."""

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        sink.write(b"body")
        sink.finish()

    async with front(handler) as served:
        answer = await served.talk((GET % 1).replace(b"GET", b"HEAD") + LAST)

    first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert b"close" not in first
    assert second.endswith(b"4\r\nbody\r\n0\r\n\r\n")
