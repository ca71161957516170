from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import uvloop

from smg.core.request import reply
from tests.faults.back.book import until
from tests.faults.back.certificates import unchecked
from tests.server.http1.front import LIMITS, front

if TYPE_CHECKING:
    from collections.abc import Callable

CAP = 10
ON_BOTH = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
WANTING = object()
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def _certified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("a.example").configure_cert(context)
    return context


async def _ok(_request: Any, sink: Any) -> None:
    reply(sink, 200, b"OK")


class _Caller:
    """Speaks TLS by hand, so that it is known what is sent in which write."""

    def __init__(self, version: ssl.TLSVersion) -> None:
        context = unchecked()
        context.minimum_version = context.maximum_version = version
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)

    async def agree(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Shake hands but for the last word; the first is said before anybody can have noticed the connection."""
        connected = socket.create_connection(("127.0.0.1", port))
        self._tried(self._tls.do_handshake)
        connected.sendall(self._outgoing.read())
        reader, writer = await asyncio.open_connection(sock=connected)
        while self._tried(self._tls.do_handshake) is WANTING:
            writer.write(self._outgoing.read())
            self._incoming.write(await reader.read(1 << 16))
        return reader, writer

    async def ask(self, port: int) -> bytes:
        """Send a request together with the last word of the handshake; return the first of what comes back."""
        reader, writer = await self.agree(port)
        self._tls.write(REQUEST)
        writer.write(self._outgoing.read())
        while (answer := self._tried(self._tls.read)) is WANTING:
            self._incoming.write(await reader.read(1 << 16))
        writer.close()
        return bytes(answer)

    async def leave(self, port: int) -> None:
        """Say goodbye together with the last word."""
        reader, writer = await self.agree(port)
        self._tried(self._tls.unwrap)
        writer.write(self._outgoing.read())
        await asyncio.wait_for(reader.read(), 5)
        writer.close()

    @staticmethod
    def _tried(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except ssl.SSLWantReadError:
            return WANTING


@ON_BOTH
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_comes_with_the_last_word_is_not_lost(run: Any, version: Any) -> None:
    """A request that follows the handshake in the same bytes is served, many times over."""

    async def talk() -> None:
        async with front(_ok, tls=_certified()) as served:
            for _ in range(20):
                assert b"200 OK" in await _Caller(version).ask(served.listener.port)
            await until(lambda: served.listener.connections == 0)

    run(talk())


@ON_BOTH
def test_stalled_handshakes_are_counted_and_the_oldest_leaves(run: Any) -> None:
    """Of callers who say nothing there are never more than the cap; one who goes on is served all the same."""

    async def talk() -> None:
        async with front(_ok, replace(LIMITS, connections=CAP), _certified()) as served:
            stalled = [await served.connect() for _ in range(CAP)]
            await until(lambda: served.listener.connections == CAP)
            answer = await _Caller(ssl.TLSVersion.TLSv1_3).ask(served.listener.port)
            assert b"200 OK" in answer
            assert await asyncio.wait_for(_end(stalled[0][0]), 5) == b""
            many = range(3 * CAP)  # in one turn, so that some are ended before they have begun
            more = [socket.create_connection(("127.0.0.1", served.listener.port)) for _ in many]
            await until(lambda: all(reader.at_eof() for reader, _ in stalled))
            await until(lambda: served.listener.connections == CAP)
        assert [connected.recv(1) for connected in more] == [b""] * len(many)  # who closes the listener waits for none
        for _, writer in stalled:
            writer.close()
        for connected in more:
            connected.close()

    run(talk())


@ON_BOTH
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_goodbye_with_the_last_word_leaves_nothing(run: Any, version: Any) -> None:
    """Who has gone when the hand-over comes is out of the count."""

    async def talk() -> None:
        async with front(_ok, tls=_certified()) as served:
            await _Caller(version).leave(served.listener.port)
            await until(lambda: served.listener.connections == 0)

    run(talk())


@ON_BOTH
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", REQUEST], ids=["leaves", "leaves-within", "no-tls"])
def test_failed_handshake_leaves_nothing(run: Any, said: bytes) -> None:
    """Whoever leaves in it, or speaks no TLS, is out of the count at once."""

    async def talk() -> None:
        async with front(_ok, tls=_certified()) as served:
            reader, writer = await served.connect()
            await until(lambda: served.listener.connections == 1)
            writer.write(said)
            writer.write_eof()
            await asyncio.wait_for(_end(reader), 5)
            await until(lambda: served.listener.connections == 0)
            writer.close()

    run(talk())


@ON_BOTH
def test_handshake_has_a_deadline(run: Any) -> None:
    """One that does not go on is closed in its time, and is out of the count."""

    async def talk() -> None:
        async with front(_ok, replace(LIMITS, handshake_secs=0.2), _certified()) as served:
            reader, writer = await served.connect()
            assert await asyncio.wait_for(_end(reader), 5) == b""
            await until(lambda: served.listener.connections == 0)
            writer.close()

    run(talk())


async def _end(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the end; a reset is one, too."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
