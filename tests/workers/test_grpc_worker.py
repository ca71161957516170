"""GrpcWorker: one generation is one call, and the engine learns of every early end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from smg.core.errors import (
    ContextLengthError,
    FirstTokenTimeoutError,
    GatewayError,
    InvalidRequestError,
    Retry,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
)
from smg.core.words import Runtime
from smg.resilience.settings import ClockSettings
from smg.stubs.sglang_scheduler_pb2 import GetServerInfoResponse
from smg.stubs.sglang_scheduler_pb2_grpc import SglangSchedulerServicer, add_SglangSchedulerServicer_to_server
from smg.workers.grpc_stream import LAST_STATUS_SECS
from smg.workers.settings import PoolSettings
from tests.workers.engines import freezing_proxy, grpc_engine, silent_server
from tests.workers.support import generation, grpc_worker, with_defaults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.workers.grpc_worker import GrpcWorker
    from tests.workers.engines import GrpcEngine

LEFT_SECS = 0.25


@pytest.fixture
async def engine() -> AsyncIterator[tuple[GrpcEngine, str]]:
    async with grpc_engine() as served:
        yield served


@pytest.fixture
async def worker(engine: tuple[GrpcEngine, str]) -> AsyncIterator[GrpcWorker]:
    worker = grpc_worker(engine[1], runtime="mlx", api_key="secret")
    await worker.start()
    yield worker
    await worker.aclose()


async def test_a_generation_yields_new_tokens_and_the_end(worker: GrpcWorker, engine: tuple[GrpcEngine, str]) -> None:
    """Totals of the protocol become deltas; the end is natural and nobody is told to stop."""
    async with worker.generate(generation()) as deltas:
        got = [delta async for delta in deltas]
    await worker.aclose()

    assert [token for delta in got for token in delta.token_ids] == [10, 11]
    assert [delta.finish.reason for delta in got if delta.finish] == ["stop"]
    assert engine[0].aborted == []
    assert list(engine[0].requests[0].tokenized.input_ids) == [1, 2, 3]


async def test_key_and_request_id_travel_as_metadata(worker: GrpcWorker, engine: tuple[GrpcEngine, str]) -> None:
    """The engine sees the worker's key once, and the request's id."""
    async with worker.generate(generation("r7")) as deltas:
        _ = [delta async for delta in deltas]

    assert engine[0].metadata[0]["authorization"] == "Bearer secret"
    assert engine[0].metadata[0]["x-request-id"] == "r7"


async def test_leaving_after_the_last_finish_sends_no_abort(worker: GrpcWorker, engine: tuple[GrpcEngine, str]) -> None:
    """Whoever stops reading when every answer has finished has nothing to stop."""
    async with worker.generate(generation()) as deltas:
        async for delta in deltas:
            if delta.finish is not None:
                break
    await worker.aclose()

    assert engine[0].aborted == []


@pytest.mark.parametrize("hold", ["first", "middle"])
async def test_a_cancelled_caller_cancels_the_call_and_aborts_once(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str], hold: str
) -> None:
    """Before the first message and in mid stream, the engine knows within 250 ms."""
    engine[0].hold = hold

    async def call() -> None:
        async with worker.generate(generation("r9")) as deltas:
            async for _ in deltas:
                pass

    task = asyncio.get_running_loop().create_task(call())
    await asyncio.wait_for(engine[0].arrived.wait(), 5)
    task.cancel()
    async with asyncio.timeout(LEFT_SECS):
        await engine[0].cancelled.wait()
        await engine[0].aborts.wait()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine[0].aborted == ["r9"]


async def test_breaking_out_of_a_stream_aborts(worker: GrpcWorker, engine: tuple[GrpcEngine, str]) -> None:
    """A stop string matched by the gateway ends the engine's work as well."""
    engine[0].hold = "middle"
    async with worker.generate(generation("r2")) as deltas:
        async for _ in deltas:
            break
    async with asyncio.timeout(LEFT_SECS):
        await engine[0].cancelled.wait()
        await engine[0].aborts.wait()

    assert engine[0].aborted == ["r2"]


@pytest.mark.parametrize("fail", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE])
async def test_a_failure_after_the_last_finish_is_none(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str], fail: grpc.StatusCode
) -> None:
    """Every answer was whole before; nobody has to be told to stop either."""
    engine[0].fail_late = fail
    async with worker.generate(generation()) as deltas:
        got = [delta async for delta in deltas]
    await worker.aclose()

    assert [token for delta in got for token in delta.token_ids] == [10, 11]
    assert engine[0].aborted == []


async def test_silence_after_the_last_finish_keeps_nobody_waiting(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str]
) -> None:
    """The answer is whole at once; the call has its time to end by itself, and no request is named in an abort."""
    engine[0].hold = "last"
    async with asyncio.timeout(LAST_STATUS_SECS / 2), worker.generate(generation()) as deltas:
        _ = [delta async for delta in deltas]
    left_at = time.monotonic()
    async with asyncio.timeout(LAST_STATUS_SECS + LEFT_SECS):
        await engine[0].cancelled.wait()
    secs = time.monotonic() - left_at
    await worker.aclose()

    assert secs > LAST_STATUS_SECS * 0.9
    assert engine[0].aborted == []


async def test_messages_that_say_nothing_are_no_beginning(engine: tuple[GrpcEngine, str]) -> None:
    """They end the wait for the first byte, not that for the first token."""
    engine[0].mute, engine[0].hold = 3, "first"
    limits = with_defaults(timeouts=ClockSettings(first_byte_secs=0.2, first_token_secs=0.4, total_secs=20))
    worker = grpc_worker(engine[1], runtime="mlx", defaults=limits)
    await worker.start()
    with pytest.raises(FirstTokenTimeoutError):
        async with worker.generate(generation()):
            pass
    await worker.aclose()

    assert engine[0].aborted == ["r1"]


async def test_messages_that_say_nothing_take_nothing_away(worker: GrpcWorker, engine: tuple[GrpcEngine, str]) -> None:
    """The answer after them is the same."""
    engine[0].mute = 3
    async with worker.generate(generation()) as deltas:
        got = [delta async for delta in deltas]

    assert [token for delta in got for token in delta.token_ids] == [10, 11]


async def test_an_answer_nobody_asked_for_is_an_upstream_error(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str]
) -> None:
    """An engine that numbers answers otherwise is left and told to stop."""
    engine[0].index = 1
    with pytest.raises(UpstreamError, match="nobody asked for"):
        async with worker.generate(generation("r4")):
            pass
    await worker.aclose()

    assert engine[0].aborted == ["r4"]


async def test_an_abort_under_way_is_sent_before_the_worker_closes(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str]
) -> None:
    """Closing right after a caller left still tells the engine."""
    engine[0].hold = "middle"
    async with worker.generate(generation("r3")) as deltas:
        async for _ in deltas:
            break
    await worker.aclose()

    assert engine[0].aborted == ["r3"]


async def test_a_late_first_message_is_a_timeout_and_aborts(engine: tuple[GrpcEngine, str]) -> None:
    """The engine does not know our deadline; it is told."""
    engine[0].hold = "first"
    limits = with_defaults(timeouts=ClockSettings(total_secs=0.1))
    worker = grpc_worker(engine[1], runtime="mlx", defaults=limits)
    await worker.start()
    with pytest.raises(UpstreamTimeoutError):
        async with worker.generate(generation()):
            pass
    await worker.aclose()

    assert engine[0].aborted == ["r1"]


@pytest.mark.parametrize(
    ("code", "details", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "bad", InvalidRequestError),
        (grpc.StatusCode.INTERNAL, "prompt is too long", ContextLengthError),
        (grpc.StatusCode.UNAVAILABLE, "", UpstreamError),
        (grpc.StatusCode.CANCELLED, "", UpstreamError),
    ],
)
async def test_a_failed_call_becomes_our_error_and_needs_no_abort(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str], code: grpc.StatusCode, details: str, error: type[GatewayError]
) -> None:
    """The engine's own end is an end; its text reaches the message only where it tells the caller what is wrong."""
    engine[0].fail, engine[0].details = code, details
    with pytest.raises(error) as caught:
        async with worker.generate(generation()):
            pass
    await worker.aclose()

    assert engine[0].aborted == []
    assert not details or error is InvalidRequestError or details not in caught.value.message


async def test_an_engine_that_is_not_there_fails_fast(unused_port: int) -> None:
    """Refused connections are told at once, not at the request's deadline."""
    worker = grpc_worker(f"grpc://127.0.0.1:{unused_port}", runtime="mlx")
    await worker.start()
    async with asyncio.timeout(5):
        with pytest.raises(UpstreamConnectError) as caught:
            async with worker.generate(generation()):
                pass
    await worker.aclose()

    assert caught.value.retry is Retry.SAFE
    assert "127.0.0.1" not in caught.value.message


async def test_a_silent_address_fails_at_the_connect_timeout() -> None:
    """A first connection that is never completed is bounded by the connect timeout."""
    limits = with_defaults(timeouts=ClockSettings(connect_secs=0.5, total_secs=20))
    async with silent_server() as (_, target):
        worker = grpc_worker(f"grpc://{target}", runtime="mlx", defaults=limits)
        await worker.start()
        async with asyncio.timeout(5):
            with pytest.raises(UpstreamConnectError):
                async with worker.generate(generation()):
                    pass
        await worker.aclose()


async def test_two_workers_at_one_address_have_two_connections(engine: tuple[GrpcEngine, str]) -> None:
    """Ranks behind one address share nothing; health has its own connection besides."""
    workers = [grpc_worker(f"{engine[1]}@{rank}", runtime="mlx") for rank in (0, 1)]
    for worker in workers:
        await worker.start()
        async with worker.generate(generation()) as deltas:
            _ = [delta async for delta in deltas]
    data_peers = set(engine[0].peers)
    for worker in workers:
        assert await worker.probe()
        await worker.aclose()

    assert len(data_peers) == 2
    assert len(engine[0].peers) == 4


async def test_closing_a_worker_ends_its_calls_as_an_upstream_error(
    worker: GrpcWorker, engine: tuple[GrpcEngine, str]
) -> None:
    """A channel that closes cancels its calls; nobody's task was cancelled, so it is a failure."""
    engine[0].hold = "middle"
    async with asyncio.timeout(5):
        with pytest.raises(UpstreamError):
            await _close_in_mid_stream(worker)


async def _close_in_mid_stream(worker: GrpcWorker) -> None:
    async with worker.generate(generation()) as deltas:
        async for _ in deltas:
            await worker.aclose()


async def test_the_protocol_is_detected_by_its_health_call(engine: tuple[GrpcEngine, str]) -> None:
    """An engine of unknown runtime is asked in every protocol's words."""
    worker = grpc_worker(engine[1])
    await worker.start()
    with pytest.raises(UpstreamConnectError):
        _ = worker.dialect
    assert await worker.probe()
    await worker.discover()
    await worker.aclose()

    assert worker.runtime is Runtime.MLX
    assert [(card.id, card.context_length) for card in worker.models] == [("m", 128)]


async def test_a_rank_of_an_engine_that_takes_none_is_no_worker(engine: tuple[GrpcEngine, str]) -> None:
    """It says so when it is learnt, not by refusing every request: MLX's protocol has no word for a rank."""
    worker = grpc_worker(f"{engine[1]}@1")
    await worker.start()
    with pytest.raises(UpstreamError, match="the mlx engine takes no rank: register it without @1"):
        await worker.discover()
    await worker.aclose()


async def test_the_tokenizer_bundle_comes_whole(worker: GrpcWorker) -> None:
    """Parts are joined, the digest is the engine's."""
    assert await worker.tokenizer_bundle() == (b"abc", "feed")


async def test_what_an_engine_does_not_offer_is_said(worker: GrpcWorker) -> None:
    """MLX tells no loads; that is a failure with words, not a crash."""
    with pytest.raises(UpstreamError, match="does not offer"):
        await worker.loads()


async def test_an_unwell_engine_is_a_bad_probe(worker: GrpcWorker, engine: tuple[GrpcEngine, str]) -> None:
    """A health call that answers false is as bad as none."""
    engine[0].healthy = False

    assert not await worker.probe()
    assert worker.probe_error


@pytest.mark.parametrize(
    ("status", "well"), [(b"\x08\x01", True), (b"\x08\x02", False)], ids=["serving", "not serving"]
)
async def test_grpcs_own_health_call_stands_in_for_the_engines(status: bytes, well: bool) -> None:
    """A server without the engine's call is asked by the other for the engine's service."""
    asked: list[bytes] = []

    async def check(request: bytes, _context: Any) -> bytes:
        asked.append(request)
        return status

    server = grpc.aio.server()
    calls: dict[str, Any] = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", calls),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    worker = grpc_worker(f"grpc://127.0.0.1:{port}", runtime_type="mlx")
    await worker.start()
    healthy = await worker.probe()
    await worker.aclose()
    await server.stop(None)

    assert healthy is well
    assert [name[2:] for name in asked] == [b"mlx.grpc.engine.MlxEngine"]


async def test_a_server_without_any_health_call_is_not_well() -> None:
    """Nothing is known of its engine."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    worker = grpc_worker(f"grpc://127.0.0.1:{port}", runtime_type="mlx")
    await worker.start()
    healthy = await worker.probe()
    await worker.aclose()
    await server.stop(None)

    assert not healthy


@pytest.mark.parametrize(
    ("keepalive_secs", "found_secs"),
    [(1, 6), pytest.param(PoolSettings().keepalive_secs, 10, marks=pytest.mark.proof, id="by-default")],
)
async def test_a_frozen_engine_is_found_by_pings(
    engine: tuple[GrpcEngine, str], keepalive_secs: float, found_secs: float
) -> None:
    """An engine whose connection stays open and silent fails its calls, long before the request's deadline."""
    engine[0].hold = "middle"
    limits = with_defaults(timeouts=ClockSettings(total_secs=60), pool=PoolSettings(keepalive_secs=keepalive_secs))
    async with freezing_proxy(engine[1].removeprefix("grpc://")) as (frozen, target):
        worker = grpc_worker(f"grpc://{target}", runtime="mlx", defaults=limits)
        await worker.start()
        async with asyncio.timeout(found_secs):
            with pytest.raises(UpstreamError):
                await _freeze_in_mid_stream(worker, frozen)
        await worker.aclose()


async def _freeze_in_mid_stream(worker: GrpcWorker, frozen: asyncio.Event) -> None:
    async with worker.generate(generation()) as deltas:
        async for _ in deltas:
            frozen.set()


class Boundless(SglangSchedulerServicer):
    """An engine whose arguments hold a number that JSON does not have."""

    async def GetServerInfo(self, _request: Any, _context: Any) -> GetServerInfoResponse:  # noqa: N802
        """Tell them."""
        told = GetServerInfoResponse()
        told.server_args.update({"limit": float("inf")})
        return told


async def test_a_number_beyond_json_does_not_hide_the_rest() -> None:
    """What an engine tells of itself is passed on, infinities as words."""
    server = grpc.aio.server()
    add_SglangSchedulerServicer_to_server(Boundless(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    worker = grpc_worker(f"grpc://127.0.0.1:{port}", runtime_type="sglang")
    await worker.start()
    told = await worker.server_info()
    await worker.aclose()
    await server.stop(None)

    assert told == {"server_args": {"limit": "inf"}}
