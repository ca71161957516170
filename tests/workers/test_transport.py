"""Renewal: what comes goes by the fresh line, what runs finishes on the old one, and nothing stays open."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from smg.core.errors import UpstreamError
from smg.workers.settings import HealthSettings
from smg.workers.transport import Transport
from tests.workers.engines import GrpcEngine, HttpEngine, grpc_engine, http_engine
from tests.workers.support import Recorder, build, generation, until, with_defaults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.workers.grpc_worker import GrpcWorker
    from smg.workers.http_worker import HttpWorker
    from smg.workers.worker import Worker

BRIEF = with_defaults(health=HealthSettings(drain_secs=0.1))


class Wire:
    """What a line holds; counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        """Count."""
        self.closed += 1


def transport(drain_secs: float = 60.0) -> Transport[Wire]:
    return Transport(Wire, drain_secs=drain_secs, observer=Recorder())


async def test_what_comes_goes_by_the_fresh_line() -> None:
    """What runs keeps what it entered with, which is closed once the last has left."""
    ways = transport()
    with ways.line as old, ways.line:
        ways.renew()
        with ways.line as fresh:
            pass
        assert (old.closed, fresh.closed) == (0, 0)
    await until(lambda: old.closed == 1)

    assert fresh is not old
    assert fresh.closed == 0


async def test_what_runs_too_long_is_closed_all_the_same() -> None:
    """An old line has its time to drain and no more."""
    ways = transport(drain_secs=0.05)
    with ways.line as old:
        ways.renew()
        await until(lambda: old.closed == 1)


@pytest.mark.parametrize("begun", [False, True], ids=["at once", "once it waits"])
async def test_closing_closes_old_and_fresh(begun: bool) -> None:
    """Old lines too, whether or not anybody has begun to wait for their end."""
    ways = transport()
    with ways.line as old:
        ways.renew()
        if begun:
            await asyncio.sleep(0)
        await ways.aclose()
        ways.renew()

        assert (old.closed, ways.line.inner.closed) == (1, 1)


class HttpSide:
    """An HTTP engine and its worker."""

    def __init__(self, engine: HttpEngine, worker: HttpWorker) -> None:
        self.engine, self.worker = engine, worker

    async def hold(self) -> None:
        """Ask for an answer whose body does not end before ``release``."""
        self.engine.hold = "body"
        async with self.worker.exchange("GET", "/hold", (), None) as answer:
            await answer.read(1000)

    def release(self) -> None:
        """Let it end."""
        self.engine.release.set()

    async def ask(self) -> None:
        """Ask for an answer that ends."""
        async with self.worker.exchange("POST", "/echo", (), b"{}") as answer:
            await answer.read(1000)


class GrpcSide:
    """A gRPC engine and its worker."""

    def __init__(self, engine: GrpcEngine, worker: GrpcWorker) -> None:
        self.engine, self.worker = engine, worker

    async def hold(self) -> None:
        """Ask for an answer that does not end before ``release``."""
        self.engine.hold = "middle"
        await self.ask()

    def release(self) -> None:
        """Let it end."""
        self.engine.release.set()

    async def ask(self) -> None:
        """Ask for an answer that ends."""
        async with self.worker.generate(generation()) as deltas:
            _ = [delta async for delta in deltas]


@asynccontextmanager
async def side(mode: str, **changes: Any) -> AsyncIterator[Any]:
    """Serve an engine and start its worker."""
    async with AsyncExitStack() as stack:
        engine: Any
        if mode == "http":
            engine, url = await stack.enter_async_context(http_engine())
        else:
            engine, url = await stack.enter_async_context(grpc_engine())
        worker: Any = build(url, runtime_type="vllm" if mode == "http" else "mlx", **changes)
        await worker.start()
        stack.push_async_callback(worker.aclose)
        yield (HttpSide if mode == "http" else GrpcSide)(engine, worker)


def connections(worker: Worker) -> int:
    """Return how many connections this process has to the worker."""
    port = int(worker.base_url.rpartition(":")[2])
    return sum(
        bool(one.raddr) and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process().net_connections("tcp")
    )


modes = pytest.mark.parametrize("mode", ["http", "grpc"])


@modes
async def test_a_worker_finishes_on_the_old_one_and_goes_on_by_the_fresh_one(mode: str) -> None:
    """Two connections while both are in use, one when the old answer is whole."""
    async with side(mode) as engine:
        running = asyncio.get_running_loop().create_task(engine.hold())
        await engine.engine.arrived.wait()
        before = len(engine.engine.peers)
        engine.worker.renew()
        engine.engine.hold = ""
        await engine.ask()
        both = connections(engine.worker)
        engine.release()
        await running
        await until(lambda: connections(engine.worker) == 1)

    assert (before, len(engine.engine.peers), both) == (1, 2, 2)


@modes
async def test_an_answer_that_outlasts_the_drain_is_broken_off(mode: str) -> None:
    """Its reader gets an error, not silence."""
    async with side(mode, defaults=BRIEF) as engine:
        running = asyncio.get_running_loop().create_task(engine.hold())
        await engine.engine.arrived.wait()
        engine.worker.renew()
        async with asyncio.timeout(5):
            with pytest.raises(UpstreamError):
                await running


@modes
async def test_renewals_leave_nothing_open(mode: str) -> None:
    """A hundred of them, some with the worker closed in their midst, cost no descriptor."""
    async with side(mode) as engine:
        await engine.ask()
        await until(lambda: connections(engine.worker) == 1)
        descriptors = psutil.Process().num_fds()
        for _ in range(100):
            engine.worker.renew()
            await engine.ask()
        await until(lambda: psutil.Process().num_fds() <= descriptors)
        engine.worker.renew()
        await engine.worker.aclose()
        await until(lambda: connections(engine.worker) == 0)


@modes
async def test_a_worker_that_is_not_open_is_not_renewed(mode: str) -> None:
    """Before its start and after its end there is nothing to renew."""
    worker = build(f"{mode}://127.0.0.1:1")
    worker.renew()
    await worker.start()
    await worker.aclose()
    worker.renew()

    assert connections(worker) == 0
