"""Exchanges spoken by ourselves on a connection of the worker's own pool, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from smg.core.errors import ConnectTimeoutError, FirstByteTimeoutError, StaleConnectionError, UpstreamError
from smg.resilience.settings import ClockSettings
from smg.workers import http_connector
from smg.workers.lean_answer import HELD_BYTES, LeanAnswer
from smg.workers.watch import Watch
from tests.serving import serving
from tests.workers.support import http_worker, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from smg.workers.http_worker import HttpWorker

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BIG = 4 << 20
READ_BYTES = 256_000
"""The most that uvloop reads at once."""


@asynccontextmanager
async def facing(serve: Serve, connections: int = 1024) -> AsyncIterator[HttpWorker]:
    """Run a worker before an engine that does as it likes with each connection."""
    async with serving(serve) as port:
        worker = http_worker(f"http://127.0.0.1:{port}", http_pool={"max_connections": connections})
        await worker.start()
        try:
            yield worker
        finally:
            await worker.aclose()


async def asked(reader: asyncio.StreamReader, body_bytes: int = 2) -> bytes:
    """Read one request; return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(body_bytes)
    return head


def saying(*answers: bytes) -> Serve:
    """Return an engine that gives these answers, one for each request of a connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await asked(reader)
            writer.write(answer)
        await reader.read()

    return serve


async def read(worker: HttpWorker) -> bytes:
    """Ask once and read the answer."""
    async with worker.exchange("POST", "/", (), b"{}") as answer:
        assert isinstance(answer, LeanAnswer)
        return await answer.read(BIG)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, b"ok", id="an interim answer first"),
        pytest.param(b"HTTP/1.1 103 \r\n\r\n" * 3_000 + WHOLE, b"ok", id="interim answers without end"),
        pytest.param(CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok", id="chunks"),
        pytest.param(b"HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\n", b"", id="no body"),
    ],
)
async def test_an_answer_is_taken_out_of_its_framing(answer: bytes, body: bytes) -> None:
    """Twice over one connection, which was good for another request."""
    async with facing(saying(answer, answer)) as worker:
        assert [await read(worker), await read(worker)] == [body, body]


async def test_an_answer_may_last_to_the_connections_end() -> None:
    """Where nothing else says how long it is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall")

    async with facing(serve) as worker:
        assert await read(worker) == b"all"


async def test_a_reset_is_no_end() -> None:
    """What came before it is not taken for the whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        await gone.wait()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    gone = asyncio.Event()
    async with facing(serve) as worker, worker.exchange("POST", "/", (), b"{}") as answer:
        assert await answer.pour(lambda _: False)
        gone.set()
        with pytest.raises(UpstreamError):
            await answer.read(BIG)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-x\r\n\r\n", id="another tongue"),
        pytest.param(CHUNKED + b"zz\r\n", id="no chunk"),
        pytest.param(b"HTTP/1.1 101 Up\r\n\r\n", id="another protocol"),
    ],
)
async def test_what_is_no_http_is_the_workers_failure(answer: bytes) -> None:
    """At once, though the engine holds the connection open."""
    async with asyncio.timeout(5), facing(saying(answer)) as worker:
        with pytest.raises(UpstreamError):
            await read(worker)


async def test_more_than_the_answer_makes_the_connection_unusable() -> None:
    """It would pass for the next one's; so does what comes unasked while the connection waits in the pool."""
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await asked(reader)
        writer.write(WHOLE + (WHOLE if len(connections) == 1 else b""))
        await reader.read()

    async with facing(serve) as worker:
        assert await read(worker) == b"ok"
        assert await read(worker) == b"ok"
        connections[1].write(WHOLE)
        await asyncio.sleep(0.05)  # the bytes are on their way, nobody signals their arrival
        assert await read(worker) == b"ok"
        assert len(connections) == 3


async def test_a_kept_connection_that_breaks_before_its_answer_is_stale() -> None:
    """The worker is not to blame; on a fresh connection it is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(WHOLE)
        await asked(reader)

    async with facing(serve) as worker:
        assert await read(worker) == b"ok"
        with pytest.raises(StaleConnectionError):
            await read(worker)


async def test_a_kept_connection_that_breaks_at_work_is_not_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """What had time to be worked on counts as a failure of the worker, as on a fresh connection."""
    monkeypatch.setattr(http_connector, "STALE_SECS", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(WHOLE)
        await asked(reader)
        await asyncio.sleep(0.2)

    async with facing(serve) as worker:
        assert await read(worker) == b"ok"
        with pytest.raises(UpstreamError) as caught:
            await read(worker)
    assert not isinstance(caught.value, StaleConnectionError)


async def test_who_waits_for_a_connection_is_told_that_the_worker_is_closed() -> None:
    """Nobody cancelled the request, so it is an error that may be answered, or tried elsewhere."""
    held = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        held.set()
        await reader.read()

    async with facing(serve, connections=1) as worker:
        tasks = [asyncio.ensure_future(read(worker)) for _ in range(2)]
        await held.wait()
        await asyncio.sleep(0.02)  # lets the second queue up
        await worker.aclose()
        ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(end) for end in ends] == [UpstreamError] * 2


@pytest.mark.parametrize("at_work", [True, False], ids=["at work", "stuck"])
async def test_a_full_pool_is_the_workers_fault_only_where_it_is_stuck(at_work: bool) -> None:
    """Who waits for a connection while the worker goes on with what holds them has waited for its turn."""
    held = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(CHUNKED)
        held.set()
        while at_work:
            writer.write(b"2\r\nok\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)
        await reader.read()

    clocks = ClockSettings(connect_secs=0.1)
    async with facing(serve, connections=1) as worker:
        streaming = asyncio.ensure_future(read(worker))
        await held.wait()
        await asyncio.sleep(0.02)  # lets the head arrive
        with pytest.raises(ConnectTimeoutError) as caught:
            async with worker.exchange(
                "POST", "/", (), b"{}", watch=Watch(worker.id, clocks, worker.alarms, stream=False)
            ):
                pass
        streaming.cancel()

    assert caught.value.blames is not at_work


async def test_a_body_to_the_connections_end_is_not_whole_when_the_worker_is_closed() -> None:
    """The end is ours then, and says nothing."""
    taken = bytearray()

    def take(data: bytes) -> bool:
        taken.extend(data)
        return True

    half = saying(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    async with facing(half) as worker, worker.exchange("POST", "/", (), b"{}") as answer:
        pouring = asyncio.ensure_future(answer.pour(take))
        await until(lambda: taken == b"half")
        await worker.aclose()
        with pytest.raises(UpstreamError):
            await pouring


async def test_a_body_that_nobody_takes_is_held_up_to_a_limit() -> None:
    """Then nothing more is read, and the engine has to wait; taken again, all of it comes."""
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await asked(reader)
        writer.transport.set_write_buffer_limits(0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (16 * BIG))
        for _ in range(16):
            writer.write(bytes(BIG))
            await writer.drain()
            sent += BIG

    async with facing(serve) as worker, worker.exchange("POST", "/", (), b"{}") as answer:
        assert isinstance(answer, LeanAnswer)
        await until(lambda: answer._paused)
        assert HELD_BYTES <= len(answer._held) < HELD_BYTES + READ_BYTES <= 256 << 10
        assert sent < 16 * BIG
        assert len(await answer.read(16 * BIG)) == 16 * BIG


async def test_who_wants_no_more_is_not_read_for() -> None:
    """The engine waits from then on, and not only once some has been held."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(CHUNKED)
        await awaited.wait()
        writer.write(b"2\r\nok\r\n")
        await reader.read()

    awaited = asyncio.Event()
    async with facing(serve) as worker, worker.exchange("POST", "/", (), b"{}") as answer:
        assert isinstance(answer, LeanAnswer)
        awaited.set()
        assert await answer.pour(lambda _: False)
        assert (answer._paused, answer._held) == (True, b"")


async def test_what_taking_raises_is_raised_where_the_body_is_awaited() -> None:
    """The exchange is over, and its connection not used again."""
    awaited, connections = asyncio.Event(), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await asked(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        await awaited.wait()
        writer.write(b"ok")
        await reader.read()

    def refuse(_data: bytes) -> bool:
        raise KeyError

    async with facing(serve) as worker:
        async with worker.exchange("POST", "/", (), b"{}") as answer:
            awaited.set()
            with pytest.raises(KeyError):
                await answer.pour(refuse)
        assert await read(worker) == b"ok"
        assert connections == 2


async def test_who_waits_is_told_that_the_worker_is_closed() -> None:
    """Closing a worker breaks off what is read from it."""
    async with facing(saying(CHUNKED)) as worker, worker.exchange("POST", "/", (), b"{}") as answer:
        assert isinstance(answer, LeanAnswer)
        waiting = asyncio.get_running_loop().create_task(answer.read(BIG))
        await until(lambda: answer._woken is not None)
        await worker.aclose()
        with pytest.raises(UpstreamError):
            await waiting


async def test_the_wait_for_the_first_byte_begins_anew_when_all_is_sent() -> None:
    """However slowly an engine takes a large request, its time to answer is whole; to connect took none of it."""
    taking = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await taking.wait()
        await asked(reader, 2 * BIG)
        await reader.read()

    async with facing(serve) as worker:
        clocks = ClockSettings(connect_secs=0.1, first_byte_secs=0.5, total_secs=20)
        watch = Watch(worker.id, clocks, worker.alarms, stream=False)
        asyncio.get_running_loop().call_later(0.3, taking.set)
        began = asyncio.get_running_loop().time()
        with pytest.raises(FirstByteTimeoutError):
            async with worker.exchange("POST", "/", (), bytes(2 * BIG), watch=watch):
                pass
        assert asyncio.get_running_loop().time() - began >= 0.8
