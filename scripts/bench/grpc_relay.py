"""The least that a gateway before a gRPC engine can be with grpc.aio: the floor for what a token costs.

usage: python -m scripts.bench.grpc_relay PORT ENGINE_PORT

Each request that holds ``"stream":true`` becomes one call, and each message of the answer one write of a canned event:
nothing is read from requests or messages, no text is made, no clock runs. What it costs is grpc.aio's, the loop's and
the kernel's.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import grpc.aio
import uvloop
from typing_extensions import override

from scripts.bench.http_engine import CHUNK, END, HEAD, PLAIN
from smg.stubs import sglang_scheduler_pb2 as pb
from smg.workers.address import parse_url
from smg.workers.grpc_channel import open_channel
from smg.workers.settings import WorkerDefaults

GENERATE = "/sglang.grpc.scheduler.SglangScheduler/Generate"
ASKED = pb.GenerateRequest(tokenized=pb.TokenizedInput(input_ids=range(20)), stream=True).SerializeToString()


class Relay(asyncio.Protocol):
    """One caller's connection, whose requests come in one piece each."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._generate: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(GENERATE)
        self._answering: asyncio.Task[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        if b'"stream":true' in data:
            self._answering = asyncio.get_running_loop().create_task(self._stream())
        else:
            self._transport.write(PLAIN)

    async def _stream(self) -> None:
        call, lead = self._generate(ASKED), HEAD
        while await call.read() is not grpc.aio.EOF:
            self._transport.write(lead + CHUNK)
            lead = b""
        self._transport.write(END)


async def main(port: int, engine_port: int) -> None:
    """Serve until ended."""
    async with open_channel(parse_url(f"grpc://127.0.0.1:{engine_port}"), WorkerDefaults(), None) as channel:
        server = await asyncio.get_running_loop().create_server(lambda: Relay(channel), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
