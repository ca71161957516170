"""Connections that stay lent to us between exchanges."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.serving import serving
from tests.workers.support import http_worker, until
from tests.workers.test_lean_answer import WHOLE, asked, facing, read

if TYPE_CHECKING:
    from smg.workers.http_worker import HttpWorker
    from smg.workers.lean_connection import Shelf

DEADLINE_SECS = 5.0


class Host:
    """An engine that answers each request and remembers who came."""

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []
        self.asked: list[int] = []
        self.left: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the other side leaves."""
        number = len(self.connections)
        self.connections.append(writer)
        try:
            while True:
                await asked(reader)
                self.asked.append(number)
                writer.write(WHOLE)
        finally:
            self.left.append(number)


def shelf_of(worker: HttpWorker) -> Shelf:
    """Return the connections of a worker for callers' requests."""
    assert worker._data is not None
    with worker._data.line as pool:
        assert pool._way is not None
        return pool._way.shelf


async def test_who_came_to_rest_last_goes_first() -> None:
    """So that as few as possible stay in use, and the others come to their end."""
    host = Host()
    async with facing(host.serve) as worker:
        async with worker.exchange("POST", "/", (), b"{}") as first, worker.exchange("POST", "/", (), b"{}") as second:
            await second.read(10)
            await first.read(10)
        for _ in range(3):
            await read(worker)

        assert host.asked == [0, 1, 0, 0, 0]
        assert len(shelf_of(worker)) == 2


async def test_a_connection_rests_no_longer_than_it_may() -> None:
    """It is closed then, though nobody asks for anything; one in use is not."""
    host = Host()
    async with asyncio.timeout(DEADLINE_SECS), serving(host.serve) as port:
        worker = http_worker(f"http://127.0.0.1:{port}", http_pool={"idle_timeout_secs": 0.1})
        await worker.start()
        async with worker.exchange("POST", "/", (), b"{}") as answer:
            await read(worker)
            await until(lambda: bool(host.left))
            assert await answer.read(10) == b"ok"

        assert host.left == [1]
        assert len(shelf_of(worker)) == 1
        await until(lambda: len(host.left) == 2)
        assert len(shelf_of(worker)) == 0
        assert await read(worker) == b"ok"
        await worker.aclose()


async def test_who_waits_for_a_connection_gets_the_next_one() -> None:
    """Where the pool has no more, an exchange that ends hands its connection on."""
    host = Host()
    async with asyncio.timeout(DEADLINE_SECS), facing(host.serve, connections=1) as worker:
        assert await asyncio.gather(*[read(worker) for _ in range(5)]) == [b"ok"] * 5
        assert len(shelf_of(worker)) == 1
        assert await read(worker) == b"ok"

    assert host.asked == [0] * 6


async def test_what_the_worker_closed_is_not_asked() -> None:
    """It makes room in the pool as well."""
    host = Host()
    async with asyncio.timeout(DEADLINE_SECS), facing(host.serve, connections=1) as worker:
        assert await read(worker) == b"ok"
        rests = shelf_of(worker)._resting[0]
        host.connections[0].close()
        await until(rests.transport.is_closing)
        assert await read(worker) == b"ok"

    assert host.asked == [0, 1]


async def test_an_exchange_that_outlives_its_pool_leaves_nothing_open() -> None:
    """Its connection does not come to rest any more."""
    host = Host()
    async with asyncio.timeout(DEADLINE_SECS), facing(host.serve) as worker:
        shelf = shelf_of(worker)
        async with worker.exchange("POST", "/", (), b"{}") as answer:
            await answer.read(10)
            await worker.aclose()

        assert len(shelf) == 0
        await until(lambda: host.left == [0])
