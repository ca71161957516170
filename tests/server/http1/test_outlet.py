from __future__ import annotations

import asyncio
from typing import Any

from smg.core.request import ReplyHead
from tests.server.http1.timed import GET, timed


async def test_slow_reader_is_kept_while_it_reads_and_cut_when_it_stops() -> None:
    """Progress counts, not speed; a caller who takes nothing for the stall limit is cut, and the writer told."""
    told = asyncio.Event()

    async def handler(_request: Any, sink: Any) -> Any:
        sink.start(ReplyHead(200, ()))
        try:
            while True:
                sink.write(b"x" * 65536)
                if sink.paused:
                    await sink.drain()
        except ConnectionResetError:
            told.set()
            raise

    async with timed(handler) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        for _ in range(4):
            await served.pass_secs(6)
            [connection] = served.listener._crowd._all
            left = connection._transport.get_write_buffer_size()
            while connection._transport.get_write_buffer_size() == left and connection.full:
                await reader.read(1 << 20)
        await served.pass_secs(1)
        assert not told.is_set()
        writer.transport.pause_reading()
        for _ in range(3):
            await served.pass_secs(6)
        await told.wait()
        writer.transport.abort()
