"""What holds for every kind of worker."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from smg.core.errors import UpstreamConnectError, UpstreamError
from smg.core.words import LifeState, Outcome
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from tests.workers.engines import GrpcEngine, HttpEngine, grpc_engine, http_engine
from tests.workers.support import build, generation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.workers.worker import Worker


@asynccontextmanager
async def engine(mode: str, *, stuck: bool = False) -> AsyncIterator[tuple[asyncio.Event, str]]:
    if mode == "http":
        async with http_engine(HttpEngine(hold="body")) as (http, url):
            yield http.arrived, url
    else:
        async with grpc_engine(GrpcEngine(hold="middle" if stuck else "")) as (grpc_, url):
            yield grpc_.arrived, url


async def relay(worker: Worker) -> None:
    """Read an answer that does not end."""
    if isinstance(worker, HttpWorker):
        async with worker.exchange("POST", "/hold", (), b"{}") as answer:
            await answer.pour(lambda _: True)
    elif isinstance(worker, GrpcWorker):
        async with worker.generate(generation()) as deltas:
            async for _ in deltas:
                pass


modes = pytest.mark.parametrize("mode", ["http", "grpc"])


@modes
async def test_starting_and_closing_twice_is_once(mode: str) -> None:
    """Both are idempotent, and closing needs no start."""
    async with engine(mode) as (_, url):
        worker = build(url)
        await worker.aclose()
        await worker.start()
        await worker.start()
        assert await worker.probe()
        await worker.aclose()
        await worker.aclose()


@modes
async def test_a_probe_outside_its_life_is_bad(mode: str) -> None:
    """Before start and after close there is nobody to ask."""
    async with engine(mode) as (_, url):
        worker = build(url)
        assert not await worker.probe()
        await worker.start()
        await worker.aclose()
        assert not await worker.probe()
        assert worker.probe_error


@modes
async def test_a_request_outside_its_life_is_an_upstream_error(mode: str) -> None:
    """No transport is made on the way."""
    async with engine(mode) as (_, url):
        worker = build(url, runtime="mlx")
        with pytest.raises(UpstreamConnectError):
            await relay(worker)


@modes
async def test_a_lease_counts_and_a_cancelled_relay_frees_its_slot(mode: str) -> None:
    """Requests and tokens are back to 0 whatever the end; leaving is not failing."""
    async with engine(mode, stuck=True) as (arrived, url):
        worker = build(url, runtime="mlx")
        await worker.start()
        outcomes: list[Outcome | None] = []

        async def serve() -> None:
            lease = worker.lease(7)
            try:
                with lease:
                    await relay(worker)
            finally:
                outcomes.append(lease.outcome)

        task = asyncio.get_running_loop().create_task(serve())
        await asyncio.wait_for(arrived.wait(), 5)
        assert (worker.in_flight, worker.tokens_in_flight) == (1, 7)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(worker.idle(), 1)
        await worker.aclose()

    assert (worker.in_flight, worker.tokens_in_flight) == (0, 0)
    assert outcomes == [Outcome.ABANDONED]


@modes
async def test_a_worker_that_is_not_there_raises_only_our_errors(mode: str, unused_port: int) -> None:
    """Every administrative call on it is an UpstreamError."""
    worker = build(f"{mode}://127.0.0.1:{unused_port}", runtime="vllm")
    await worker.start()
    for ask in (worker.discover, worker.flush_cache, worker.loads, worker.server_info, worker.model_info):
        with pytest.raises(UpstreamError):
            await ask()
    with pytest.raises(UpstreamError):
        await worker.health_generate()
    await worker.aclose()


def test_an_illegal_move_raises_and_changes_nothing() -> None:
    """The table of moves is the only way."""
    worker = build("http://h:1")
    with pytest.raises(ValueError, match="cannot go"):
        worker.move(LifeState.UNHEALTHY, "no")

    assert worker.life.state is LifeState.PENDING


def test_a_worker_shows_its_state() -> None:
    """What a log or a debugger prints says what matters, and no key."""
    assert repr(build("http://h:1", api_key="k")) == "<HttpWorker w1 regular pending in_flight=0>"


@modes
async def test_a_cancelled_close_is_made_up_for(mode: str) -> None:
    """Whoever is cancelled while closing leaves what is open to the next closer, and nothing stays open."""
    worker = build(f"{mode}://127.0.0.1:1", runtime_type="vllm")
    await worker.start()
    closing = asyncio.get_running_loop().create_task(worker.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await worker.aclose()
    gc.collect()

    assert not await worker.probe()
