"""Every gRPC status has one meaning, and every phrase of grpc's that is relied on is still its own."""

from __future__ import annotations

import datetime as dt
import gzip
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
import trustme

from smg.core.errors import (
    Retry,
    StaleConnectionError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTlsError,
)
from smg.resilience.settings import ClockSettings
from smg.workers.grpc_verdicts import VERDICTS, verdict
from smg.workers.settings import PoolSettings, TlsSettings
from tests.serving import serving
from tests.workers.engines import silent_server
from tests.workers.support import generation, grpc_worker, with_defaults

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

STATUSES = {
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "upstream_timeout", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (503, "upstream_unavailable", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.UNAVAILABLE: (502, "upstream_failed", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.INTERNAL: (502, "upstream_failed", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.UNAUTHENTICATED: (502, "upstream_failed", Retry.NEVER),
    grpc.StatusCode.UNIMPLEMENTED: (502, "upstream_failed", Retry.IF_IDEMPOTENT),
}
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_HEADERS = 4
STATUS_200 = b"\x88"  # the field block of a response without any other field
PREFACE_BYTES = 24
RESETS = struct.pack("ii", 1, 0)  # a socket that lingers for 0 s is closed by RST
PAST = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)


def test_the_table_names_every_status() -> None:
    """All 17, so that a new one of grpc's is noticed here."""
    assert set(VERDICTS) == set(grpc.StatusCode)


@pytest.mark.parametrize(("code", "expected"), STATUSES.items())
def test_a_status_is_one_of_our_errors(code: grpc.StatusCode, expected: tuple[int, str, Retry]) -> None:
    """Status, code and retry are those of the table."""
    meant = verdict(code, "10.0.0.1 secret")

    assert (meant.error.status, meant.error.code, meant.retry) == expected


def test_an_engine_cannot_speak_for_grpc() -> None:
    """Only the details of those statuses are read that grpc itself gives a call."""
    assert verdict(grpc.StatusCode.INTERNAL, "failed to connect to all addresses") is VERDICTS[grpc.StatusCode.INTERNAL]


async def failure(
    url: str, tls: TlsSettings | None = None, connect_secs: float = 2.0, pool: PoolSettings | None = None
) -> tuple[type[UpstreamError], Retry] | None:
    """Ask a peer for a generation and return how that fails; the error itself would keep the connection open."""
    clocks = ClockSettings(connect_secs=connect_secs, total_secs=20.0)
    limits = with_defaults(timeouts=clocks, tls=tls or TlsSettings(), pool=pool or PoolSettings())
    worker = grpc_worker(url, runtime="mlx", defaults=limits)
    await worker.start()
    try:
        async with worker.generate(generation()):
            return None
    except UpstreamError as error:
        return type(error), error.retry
    finally:
        await worker.aclose()


@asynccontextmanager
async def peer(
    answer: bytes | Callable[[asyncio.StreamReader], AsyncIterator[bytes]], context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve a port that answers every connection so and closes it, or resets it without one; yields host and port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not answer:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
            await reader.read(1)
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            async for data in answer(reader):
                writer.write(data)

    async with serving(serve, context=context) as port:
        yield f"localhost:{port}"


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Return one HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def http2(end: bytes) -> Callable[[asyncio.StreamReader], AsyncIterator[bytes]]:
    """Return a server that answers the first call with ``end``, then waits until the caller leaves."""

    async def answer(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        yield frame(SETTINGS, 0)
        await reader.readexactly(PREFACE_BYTES)
        kind = SETTINGS
        while kind != HEADERS:
            head = await reader.readexactly(9)
            kind = head[3]
            await reader.readexactly(int.from_bytes(head[:3]))
        yield end
        while await reader.read(65_536):
            pass

    return answer


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        pytest.param(frame(RST_STREAM, 1, struct.pack(">I", 7)), StaleConnectionError, id="refused-stream"),
        pytest.param(frame(GOAWAY, 0, struct.pack(">II", 0, 0)), StaleConnectionError, id="goaway"),
        pytest.param(frame(GOAWAY, 0, struct.pack(">II", 0, 11)), StaleConnectionError, id="goaway-pings"),
        pytest.param(frame(GOAWAY, 0, struct.pack(">II", 0, 2)), UpstreamError, id="goaway-internal"),
    ],
)
async def test_what_was_never_begun_is_safe_to_repeat(end: bytes, expected: type[UpstreamError]) -> None:
    """HTTP/2 says so of a refused stream and of those above the last one a leaving server serves."""
    async with peer(http2(end)) as target:
        told = await failure(f"grpc://{target}")

    assert told == (expected, Retry.SAFE)


@pytest.mark.parametrize("pool", [PoolSettings(), PoolSettings(max_message_bytes=1 << 16)], ids=["default", "least"])
async def test_a_message_beyond_the_limit_is_a_failure(pool: PoolSettings) -> None:
    """Not an engine without room, which tells by the same status; its length alone is enough."""
    announced = struct.pack(">BI", 0, pool.max_message_bytes + 1)
    async with peer(http2(frame(HEADERS, 1, STATUS_200, END_HEADERS) + frame(DATA, 1, announced))) as target:
        told = await failure(f"grpc://{target}", pool=pool)

    assert told == (UpstreamError, Retry.IF_IDEMPOTENT)


@pytest.mark.parametrize("unpacked", [(1 << 16) + 1, 1 << 20])
async def test_a_message_that_unpacks_beyond_the_limit_is_a_failure(unpacked: int) -> None:
    """A small one, as it comes; by a byte too large, or by far."""
    bomb = gzip.compress(bytes(unpacked))
    fields = STATUS_200 + b"\x00\x0dgrpc-encoding\x04gzip"
    answer = frame(HEADERS, 1, fields, END_HEADERS) + frame(DATA, 1, struct.pack(">BI", 1, len(bomb)) + bomb)
    async with peer(http2(answer)) as target:
        told = await failure(f"grpc://{target}", pool=PoolSettings(max_message_bytes=1 << 16))

    assert told == (UpstreamError, Retry.IF_IDEMPOTENT)


async def heard(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Take the greeting and leave."""
    await reader.read(65_536)
    yield b""


@pytest.mark.parametrize(
    "answer",
    [bytes(range(256)), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", heard],
    ids=["random", "http1", "reset", "closed"],
)
async def test_another_tongue_is_no_connection_that_failed(
    answer: bytes | Callable[[asyncio.StreamReader], AsyncIterator[bytes]],
) -> None:
    """Somebody listens there, and is broken; no byte of the request was sent."""
    async with peer(answer) as target:
        told = await failure(f"grpc://{target}")

    assert told == (UpstreamError, Retry.SAFE)


async def test_nobody_there_is_a_connection_that_failed(unused_port: int) -> None:
    """Refused."""
    told = await failure(f"grpc://127.0.0.1:{unused_port}")

    assert told == (UpstreamConnectError, Retry.SAFE)


async def test_silence_is_a_connection_that_failed() -> None:
    """Taken, and never answered within the time to connect."""
    async with silent_server() as (_, target):
        told = await failure(f"grpc://{target}", connect_secs=0.3)

    assert told == (UpstreamConnectError, Retry.SAFE)


async def test_an_unknown_name_is_a_connection_that_failed() -> None:
    """A host nobody knows."""
    told = await failure("grpc://nowhere.invalid:1")

    assert told == (UpstreamConnectError, Retry.SAFE)


@pytest.mark.parametrize("kind", ["expired", "other-ca", "other-name", "no-alpn"])
async def test_a_certificate_that_is_not_right_is_a_tls_error(kind: str, tmp_path: Path) -> None:
    """No byte of the request was sent."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    issuer = theirs if kind == "other-ca" else ours
    name = "elsewhere.test" if kind == "other-name" else "localhost"
    until = PAST + dt.timedelta(days=1) if kind == "expired" else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(name, not_before=PAST, not_after=until).configure_cert(context)
    if kind != "no-alpn":
        context.set_alpn_protocols(["h2"])
    async with peer(http2(b""), context) as target:
        told = await failure(f"grpcs://{target}", TlsSettings(ca_path=str(tmp_path / "ca.pem")))

    assert told == (UpstreamTlsError, Retry.SAFE)


async def test_plain_text_where_tls_is_wanted_is_a_tls_error() -> None:
    """The peer's first bytes are no handshake."""
    async with peer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as target:
        told = await failure(f"grpcs://{target}")

    assert told == (UpstreamTlsError, Retry.SAFE)
