"""HttpWorker: one request is one request, over a connection of the worker's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from smg.core.errors import Retry, UpstreamConnectError, UpstreamError, UpstreamTimeoutError
from smg.core.words import Runtime
from smg.resilience.settings import ClockSettings
from smg.workers.http_exchange import SessionAnswer
from smg.workers.lean_answer import LeanAnswer
from smg.workers.settings import PoolSettings
from tests.serving import serving
from tests.workers.engines import HttpEngine, http_engine, silent_server
from tests.workers.support import http_worker, until, with_defaults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.core.request import RawHeaders
    from smg.workers.http_answer import HttpAnswer
    from smg.workers.http_worker import HttpWorker

LEFT_SECS = 0.25


@pytest.fixture
async def engine() -> AsyncIterator[tuple[HttpEngine, str]]:
    async with http_engine() as served:
        yield served


@pytest.fixture(params=["lean", "session"])
async def worker(engine: tuple[HttpEngine, str], request: pytest.FixtureRequest) -> AsyncIterator[HttpWorker]:
    """A worker whose exchanges we speak ourselves, and one whose exchanges are left to aiohttp."""
    worker = http_worker(engine[1], http_pool={"no_fast_lane": request.param == "session"})
    await worker.start()
    yield worker
    await worker.aclose()


async def test_bytes_and_fields_pass_as_they_are(worker: HttpWorker, engine: tuple[HttpEngine, str]) -> None:
    """A request carries the given fields and body, and nothing aiohttp would add."""
    async with worker.exchange("POST", "/echo?a=%2F", ((b"X-A", b"1"), (b"X-A", b"2")), b"body") as answer:
        body = await answer.read(100)

    assert body == b"body"
    assert answer.status == 200
    assert (b"X-One", b"1") in answer.headers
    method, path, headers, _ = engine[0].seen[0]
    assert (method, path) == ("POST", "/echo?a=%2F")
    assert {name.lower() for name in headers} == {"host", "x-a", "content-length"}


async def test_a_repeat_in_another_spelling_is_kept(worker: HttpWorker, engine: tuple[HttpEngine, str]) -> None:
    """A client takes a field spelt otherwise for a new value of the first; no value is lost to that."""
    async with worker.exchange("POST", "/echo", ((b"X-A", b"1"), (b"x-b", b"3"), (b"x-a", b"2")), b"") as answer:
        await answer.read(100)

    assert engine[0].seen[0][2].getall("x-a") == ["1", "2"]


async def test_a_body_beyond_a_mebibyte_is_sent_without_a_warning(worker: HttpWorker) -> None:
    """Large bodies are ours to send; aiohttp's advice against them would be an error here."""
    body = b"x" * (3 << 19)
    async with worker.exchange("POST", "/echo", (), body) as answer:
        assert await answer.read(len(body)) == body


async def test_redirects_are_not_followed(worker: HttpWorker, engine: tuple[HttpEngine, str]) -> None:
    """Where an engine points elsewhere, the caller decides."""
    async with worker.exchange("GET", "/redirect", (), None) as answer:
        assert answer.status == 307
    assert len(engine[0].seen) == 1


async def test_a_body_beyond_the_limit_is_an_upstream_error(worker: HttpWorker) -> None:
    """``read`` stops at its limit."""
    async with worker.exchange("POST", "/echo", (), b"12345") as answer:
        with pytest.raises(UpstreamError):
            await answer.read(4)


async def test_json_too_deep_to_be_read_is_an_upstream_error(worker: HttpWorker) -> None:
    """As any other text that is none."""
    with pytest.raises(UpstreamError, match="in JSON"):
        await worker.ask_object("/deep")


async def test_an_answer_read_to_its_end_gives_the_connection_back(
    worker: HttpWorker, engine: tuple[HttpEngine, str]
) -> None:
    """Two exchanges one after the other use one connection."""
    for _ in range(2):
        async with worker.exchange("POST", "/echo", (), b"{}") as answer:
            await answer.read(10)

    assert len(engine[0].peers) == 1


async def test_the_rank_never_reaches_the_socket(engine: tuple[HttpEngine, str]) -> None:
    """The identity ends in ``@rank``; the engine sees the base URL."""
    worker = http_worker(engine[1] + "@3")
    await worker.start()
    async with worker.exchange("POST", "/echo", (), b"{}") as answer:
        await answer.read(10)
    await worker.aclose()

    assert worker.url == engine[1] + "@3"
    assert engine[0].seen[0][1] == "/echo"
    assert "@" not in engine[0].seen[0][2]["Host"]


@pytest.mark.parametrize(
    ("runtime", "headers", "body"),
    [
        pytest.param(Runtime.SGLANG, (), b'{"a":1,"data_parallel_rank":0}', id="sglang"),
        pytest.param(Runtime.VLLM, ((b"X-data-parallel-rank", b"0"),), b'{"a":1}', id="vllm"),
    ],
)
async def test_rank_zero_travels_the_runtimes_way(runtime: Runtime, headers: RawHeaders, body: bytes) -> None:
    """Rank 0 is a rank and is said, in a field or in a header."""
    worker = http_worker("http://h:1@0", runtime=runtime.value)

    assert (headers, body) == worker.prepare((), b'{"a":1}')


async def test_without_a_rank_a_request_stays_as_it_is() -> None:
    """None is not 0."""
    assert http_worker("http://h:1", runtime="sglang").prepare((), b"{}") == ((), b"{}")


@pytest.mark.parametrize("hold", ["head", "body"])
async def test_a_caller_who_leaves_closes_the_connection(
    worker: HttpWorker, engine: tuple[HttpEngine, str], hold: str
) -> None:
    """Cancelled while waiting for the head or in mid body, the engine sees the end within 250 ms."""
    engine[0].hold = hold

    async def call() -> None:
        async with worker.exchange("POST", "/hold", (), b"{}") as answer:
            await answer.pour(lambda _: True)

    task = asyncio.get_running_loop().create_task(call())
    await asyncio.wait_for(engine[0].arrived.wait(), 5)
    task.cancel()
    await asyncio.wait_for(engine[0].gone.wait(), LEFT_SECS)

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_before_the_end_closes_the_connection(worker: HttpWorker, engine: tuple[HttpEngine, str]) -> None:
    """Whoever stops reading without being cancelled ends the engine's work as well."""
    engine[0].hold = "body"
    async with worker.exchange("POST", "/hold", (), b"{}") as answer:
        assert await answer.pour(lambda _: False)

    await asyncio.wait_for(engine[0].gone.wait(), LEFT_SECS)


async def test_cancelled_while_connecting_leaves_nothing_behind() -> None:
    """A connection that is being made when the caller leaves is given up, and its slot with it."""
    async with silent_server() as (silent, target):
        worker = http_worker(f"https://{target}")
        await worker.start()
        task = asyncio.get_running_loop().create_task(_ignore(worker, "/echo"))
        await asyncio.wait_for(silent.accepted.wait(), 5)
        task.cancel()
        await asyncio.wait_for(silent.closed.wait(), LEFT_SECS)
        await asyncio.gather(task, return_exceptions=True)
        await worker.aclose()


async def test_a_get_on_a_dying_connection_is_sent_once() -> None:
    """Aiohttp's hidden second try of a GET is off: the engine sees one request, the caller one error."""
    requests: list[bytes] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if len(requests) == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            requests.append(await reader.readuntil(b"\r\n\r\n"))

    async with serving(serve_one) as port:
        worker = http_worker(f"http://127.0.0.1:{port}")
        await worker.start()
        async with worker.exchange("GET", "/a", (), None) as answer:
            await answer.read(1)
        with pytest.raises(UpstreamError) as caught:
            async with worker.exchange("GET", "/b", (), None):
                pass
        await worker.aclose()

    assert caught.value.retry is Retry.IF_IDEMPOTENT
    assert len(requests) == 2


async def test_a_refused_connection_is_safe_to_try_elsewhere(unused_port: int) -> None:
    """No byte reached the engine, so another may be asked."""
    worker = http_worker(f"http://127.0.0.1:{unused_port}")
    await worker.start()
    with pytest.raises(UpstreamConnectError) as caught:
        async with worker.exchange("GET", "/", (), None):
            pass
    await worker.aclose()

    assert caught.value.retry is Retry.SAFE
    assert "127.0.0.1" not in caught.value.message


async def test_a_late_answer_is_a_timeout(engine: tuple[HttpEngine, str]) -> None:
    """The worker's own limit ends the exchange."""
    worker = http_worker(engine[1], defaults=with_defaults(timeouts=ClockSettings(first_byte_secs=0.05)))
    await worker.start()
    with pytest.raises(UpstreamTimeoutError) as caught:
        async with worker.exchange("POST", "/hold", (), b"{}"):
            pass
    await worker.aclose()

    assert caught.value.retry is Retry.IF_IDEMPOTENT
    assert caught.value.status == 504


async def test_a_stuck_worker_holds_only_its_own_pool(engine: tuple[HttpEngine, str]) -> None:
    """With worker A's pool used up, B answers as ever, A's health is still seen, and A's queue gives up in time."""
    small = with_defaults(pool=PoolSettings(max_connections=1), timeouts=ClockSettings(connect_secs=0.1))
    async with http_engine() as (_, other):
        stuck, free = http_worker(engine[1], defaults=small), http_worker(other, defaults=small)
        await stuck.start()
        await free.start()
        async with asyncio.TaskGroup() as group:
            held = group.create_task(_ignore(stuck, "/hold"))
            await asyncio.wait_for(engine[0].arrived.wait(), 5)
            with pytest.raises(UpstreamTimeoutError) as caught:
                async with stuck.exchange("POST", "/echo", (), b"{}"):
                    pass
            async with asyncio.timeout(5), free.exchange("POST", "/echo", (), b"{}") as answer:
                assert await answer.read(10) == b"{}"
            assert await stuck.probe()
            held.cancel()
        await stuck.aclose()
        await free.aclose()

    assert caught.value.retry is Retry.SAFE


async def _ignore(worker: HttpWorker, path: str) -> None:
    async with worker.exchange("POST", path, (), b"{}") as answer:
        await answer.read(100)


async def test_closing_a_worker_ends_its_exchanges(worker: HttpWorker, engine: tuple[HttpEngine, str]) -> None:
    """What still runs when the drain limit has passed ends as an upstream error."""
    engine[0].hold = "body"
    async with asyncio.timeout(5), worker.exchange("POST", "/hold", (), b"{}") as answer:
        await worker.aclose()
        with pytest.raises(UpstreamError):
            await answer.pour(lambda _: True)


async def test_closing_a_worker_wakes_those_who_wait(worker: HttpWorker, engine: tuple[HttpEngine, str]) -> None:
    """A reader that waits for the next bytes of an answer is told, too."""
    engine[0].hold = "body"
    async with asyncio.timeout(5), worker.exchange("POST", "/hold", (), b"{}") as answer, asyncio.TaskGroup() as group:
        reading = group.create_task(_read_on(answer))
        await until(lambda: waits(answer))
        await worker.aclose()
        await reading


def waits(answer: HttpAnswer) -> bool:
    """Tell whether somebody waits for more of the body."""
    if isinstance(answer, LeanAnswer):
        return answer._woken is not None
    assert isinstance(answer, SessionAnswer)
    return answer._response.content._waiter is not None


async def _read_on(answer: HttpAnswer) -> None:
    with pytest.raises(UpstreamError):
        await answer.pour(lambda _: True)


async def test_discovery_reads_models_runtime_and_context() -> None:
    """The list of models tells most; SGLang's server info tells the ranks."""
    told = HttpEngine(
        models=[{"id": "m", "owned_by": "sglang", "root": "/m", "max_model_len": 64}],
        server_info={"dp_size": 2, "version": "9", "tp_size": 1},
    )
    async with http_engine(told) as (_, url):
        worker = http_worker(url)
        await worker.start()
        await worker.discover()
        loads = await worker.loads()
        await worker.aclose()

    assert worker.runtime is Runtime.SGLANG
    assert [(card.id, card.context_length) for card in worker.models] == [("m", 64)]
    assert worker.facts.rank_count == 2
    assert worker.labels == {"tp_size": "1"}
    assert (loads[0].dp_rank, loads[0].num_running_reqs) == (1, 3)


async def test_listed_models_go_before_discovered_ones(engine: tuple[HttpEngine, str]) -> None:
    """What the operator says stands."""
    worker = http_worker(engine[1], models=[{"id": "mine", "aliases": ["other"]}])
    await worker.start()
    await worker.discover()
    await worker.aclose()

    assert worker.serves("other")
    assert worker.canonical("other") == "mine"
    assert not worker.serves("m")


async def test_an_unhealthy_answer_is_a_bad_probe_with_a_reason(
    worker: HttpWorker, engine: tuple[HttpEngine, str]
) -> None:
    """The reason names the status."""
    engine[0].healthy = False

    assert not await worker.probe()
    assert "503" in worker.probe_error
    await until(lambda: worker.in_flight == 0)
