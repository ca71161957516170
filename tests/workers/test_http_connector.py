"""Tests of smg.workers.http_connector."""

from __future__ import annotations

import asyncio

import pytest

from smg.core.errors import StaleConnectionError, UpstreamConnectError, UpstreamError
from tests.serving import serving
from tests.workers.support import http_worker

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Fickle:
    """A server that answers so many requests on a connection and closes it when the next one comes."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        for _ in range(self.answers):
            await reader.readuntil(b"{}")
            self.requests += 1
            writer.write(ANSWER)
        await reader.readuntil(b"{}")
        self.requests += 1
        writer.transport.abort()


@pytest.mark.parametrize("answers", [0, 1])
async def test_only_a_kept_connection_can_be_stale(answers: int) -> None:
    """A break on a fresh connection is the worker's failure, one on a kept connection is not; neither is sent twice."""
    fickle = Fickle(answers)
    async with serving(fickle.serve) as port:
        worker = http_worker(f"http://127.0.0.1:{port}")
        await worker.start()
        for _ in range(answers):
            async with worker.exchange("POST", "/", (), b"{}") as answer:
                assert await answer.read(10) == b"ok"
        with pytest.raises(UpstreamError) as caught:
            async with worker.exchange("POST", "/", (), b"{}"):
                pass
        await worker.aclose()

    assert isinstance(caught.value, StaleConnectionError) is (answers == 1)
    assert fickle.requests == answers + 1


async def test_a_refused_connection_is_not_stale(unused_port: int) -> None:
    """Nobody listens: that is told as it is."""
    worker = http_worker(f"http://127.0.0.1:{unused_port}")
    await worker.start()
    with pytest.raises(UpstreamConnectError):
        async with worker.exchange("POST", "/", (), b"{}"):
            pass
    await worker.aclose()


@pytest.mark.parametrize("trust_env", [False, True], ids=["lean", "session"])
async def test_a_body_that_is_no_http_any_more_breaks_off_at_once(trust_env: bool) -> None:
    """What came before is delivered, and the reader fails when the junk comes, though the worker keeps the connection.

    The clocks of this worker allow minutes.
    """
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        await go_on.wait()
        writer.write(b"no chunk\r\n")
        await reader.read()

    seen = []

    def take(data: bytes) -> bool:
        seen.append(data)
        go_on.set()
        return True

    async with asyncio.timeout(5), serving(serve) as port:
        worker = http_worker(f"http://127.0.0.1:{port}", proxy={"trust_env": trust_env})
        await worker.start()
        async with worker.exchange("POST", "/", (), b"{}") as answer:
            with pytest.raises(UpstreamError):
                await answer.pour(take)
        await worker.aclose()

    assert seen == [b"ok"]
