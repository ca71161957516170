"""Tests of smg.workers.grpc_channel."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
from grpc.aio import AioRpcError, Metadata

from smg.core.errors import Retry, UpstreamError
from smg.core.words import WorkerId
from smg.workers.factory import WorkerFactory
from smg.workers.grpc_channel import RENEW_AFTER, RENEW_EVERY_SECS, ChannelTransport
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.spec import read_spec
from tests.serving import serving
from tests.workers.engines import grpc_engine
from tests.workers.support import QUICK, Recorder, SetClock, grpc_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


SOON, LATER = RENEW_EVERY_SECS - 0.1, RENEW_EVERY_SECS
OK, UNAVAILABLE, INTERNAL = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL


def failed(status: grpc.StatusCode) -> UpstreamError:
    """Return what the border makes of a failed call."""
    error = UpstreamError(WorkerId("w"), "failed", retry=Retry.SAFE)
    error.__cause__ = AioRpcError(status, Metadata(), Metadata())
    return error


def end(transport: ChannelTransport, status: grpc.StatusCode | None) -> None:
    """End a call; None is a caller who leaves."""
    with suppress(UpstreamError, asyncio.CancelledError), transport.line:
        if status is None:
            raise asyncio.CancelledError
        if status is not OK:
            raise failed(status)


@pytest.mark.parametrize(
    ("statuses", "secs", "expected"),
    [
        pytest.param([UNAVAILABLE] * RENEW_AFTER, LATER, True, id="run"),
        pytest.param([UNAVAILABLE] * RENEW_AFTER, SOON, False, id="too soon"),
        pytest.param([UNAVAILABLE] * (RENEW_AFTER - 1), LATER, False, id="too few"),
        pytest.param([UNAVAILABLE, UNAVAILABLE, OK, UNAVAILABLE], LATER, False, id="success between"),
        pytest.param([UNAVAILABLE, UNAVAILABLE, INTERNAL, UNAVAILABLE], LATER, False, id="answer between"),
        pytest.param([UNAVAILABLE, UNAVAILABLE, None, UNAVAILABLE], LATER, True, id="caller left between"),
    ],
)
async def test_a_run_of_unavailable_has_the_channel_renewed(
    statuses: list[grpc.StatusCode | None], secs: float, expected: bool
) -> None:
    """Not for fewer, not too often, and what an engine answered in any way ends the run."""
    clock = SetClock()
    make = partial(grpc.aio.insecure_channel, "127.0.0.1:1")
    transport = ChannelTransport(make, clock=clock, drain_secs=1.0, observer=Recorder())
    line, clock.secs = transport.line, secs
    for status in statuses:
        end(transport, status)
    renewed = transport.line is not line
    await transport.aclose()

    assert renewed is expected


async def test_a_channel_over_which_calls_run_is_left_alone() -> None:
    """They would have to end with its time to drain, though all is well with them."""
    clock = SetClock()
    make = partial(grpc.aio.insecure_channel, "127.0.0.1:1")
    transport = ChannelTransport(make, clock=clock, drain_secs=1.0, observer=Recorder())
    line, clock.secs = transport.line, LATER
    with line:
        for _ in range(RENEW_AFTER):
            end(transport, UNAVAILABLE)
        kept = transport.line is line
    await transport.aclose()

    assert kept


async def test_a_renewed_channel_begins_its_own_run() -> None:
    """What still fails on the old one says nothing of it, and it has its own time."""
    clock = SetClock()
    make = partial(grpc.aio.insecure_channel, "127.0.0.1:1")
    transport = ChannelTransport(make, clock=clock, drain_secs=1.0, observer=Recorder())
    old = transport.line
    transport.renew()
    fresh, clock.secs = transport.line, LATER
    for _ in range(RENEW_AFTER):
        transport.ended(old, failed(UNAVAILABLE))
    for _ in range(RENEW_AFTER - 1):
        end(transport, UNAVAILABLE)
    await transport.aclose()

    assert transport.line is fresh


async def test_a_worker_without_an_engine_gets_a_fresh_channel(unused_port: int) -> None:
    """Refused connections are such calls; the channel for requests and the one for health each for itself."""
    clock = SetClock()
    worker = WorkerFactory(QUICK, clock, Recorder()).build(
        read_spec({"url": f"grpc://127.0.0.1:{unused_port}", "runtime_type": "mlx"}), WorkerId("w"), "test"
    )
    assert isinstance(worker, GrpcWorker)
    await worker.start()
    assert worker._data is not None
    assert worker._control is not None
    data, control, clock.secs = worker._data.line, worker._control.line, LATER
    for _ in range(RENEW_AFTER):
        assert not await worker.probe()
    renewed = worker._data.line is not data, worker._control.line is not control
    await worker.aclose()

    assert renewed == (False, True)


@asynccontextmanager
async def connect_proxy() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a proxy that serves ``CONNECT`` and yield its URL and what it was asked for."""
    asked: list[bytes] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        host, port = head.split(b" ")[1].decode().split(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    async with serving(serve) as port:
        yield f"http://127.0.0.1:{port}", asked


async def test_a_proxy_is_gone_through() -> None:
    """A gRPC worker with a proxy is reached by asking the proxy for it."""
    async with grpc_engine() as (_, url), connect_proxy() as (proxy, asked):
        worker = grpc_worker(url, runtime_type="mlx", proxy={"url": proxy})
        await worker.start()
        healthy = await worker.probe()
        await worker.aclose()

    assert healthy
    assert asked == [f"CONNECT {url.removeprefix('grpc://')} HTTP/1.1".encode()]
