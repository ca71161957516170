"""Tests of smg.workers.grpc_channel."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from tests.workers.engines import grpc_engine
from tests.workers.support import grpc_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def connect_proxy() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a proxy that serves ``CONNECT`` and yield its URL and what it was asked for."""
    asked: list[bytes] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        host, port = head.split(b" ")[1].decode().split(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


async def test_a_proxy_is_gone_through() -> None:
    """A gRPC worker with a proxy is reached by asking the proxy for it."""
    async with grpc_engine() as (_, url), connect_proxy() as (proxy, asked):
        worker = grpc_worker(url, runtime_type="mlx", proxy={"url": proxy})
        await worker.start()
        healthy = await worker.probe()
        await worker.aclose()

    assert healthy
    assert asked == [f"CONNECT {url.removeprefix('grpc://')} HTTP/1.1".encode()]
