"""SGLang's service on the wire."""

from __future__ import annotations

from itertools import accumulate

import grpc
import pytest

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.sim.settings import EngineSettings
from smg.stubs import common_pb2
from smg.stubs import sglang_scheduler_pb2 as pb
from smg.stubs.sglang_scheduler_pb2_grpc import SglangSchedulerStub
from tests.sim.support import PROMPT_IDS, grpc_engine, until


def request(*, stream: bool = True, **sampling) -> pb.GenerateRequest:
    """Return a generation of the usual prompt."""
    tokenized = pb.TokenizedInput(input_ids=PROMPT_IDS)
    params = pb.SamplingParams(**sampling)
    return pb.GenerateRequest(request_id="r", tokenized=tokenized, sampling_params=params, stream=stream)


async def test_stream_counts_running_totals() -> None:
    """Chunks bring new tokens and the total so far; the end repeats the last chunk's tokens and the total."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (_, stub):
        messages = [message async for message in stub.Generate(request())]
        whole = [message async for message in stub.Generate(request(stream=False))]

    *chunks, last = messages
    tokens = [token for message in chunks for token in message.chunk.token_ids]
    totals = list(accumulate(len(message.chunk.token_ids) for message in chunks))
    assert [message.chunk.completion_tokens for message in chunks] == totals
    assert last.complete.output_ids == chunks[-1].chunk.token_ids
    assert last.complete.completion_tokens == len(tokens)
    assert last.complete.matched_token_id == vocabulary.END_OF_TURN_ID
    assert last.request_id == "r"
    assert len(whole) == 1
    assert list(whole[0].complete.output_ids) == tokens
    assert whole[0].complete.cached_tokens > 0


async def test_choices_logprobs_and_stops() -> None:
    """Each choice ends for itself; logprobs come with their tokens; a stop string is named."""
    asked = request(n=2, max_new_tokens=4)
    asked.return_logprob, asked.top_logprobs_num, asked.logprob_start_len = True, 2, 0
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (_, stub):
        messages = [message async for message in stub.Generate(asked)]
        plain = [message async for message in stub.Generate(request(stream=False))]
        stop = vocabulary.decode(plain[0].complete.output_ids)[20:25]
        stopped = [message async for message in stub.Generate(request(stream=False, stop=[stop]))]

    ends = [message.complete for message in messages if message.HasField("complete")]
    assert sorted((end.index, end.finish_reason) for end in ends) == [(0, "length"), (1, "length")]
    first = messages[0].chunk
    assert len(first.output_logprobs.top_logprobs[0].token_ids) == 2
    assert len(first.input_logprobs.token_logprobs) == len(PROMPT_IDS)
    assert not first.input_logprobs.token_logprobs[0].HasField("value")
    assert stopped[0].complete.matched_stop_str == stop


async def test_abort_ends_the_stream_and_frees_the_place() -> None:
    """Another call's abort ends a stream with its reason; nothing is left in the engine."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (engine, stub):
        call = aiter(stub.Generate(request(), metadata=[("x-sim-fault", "stall_after:2")]))
        await anext(call)
        answer = await stub.Abort(pb.AbortRequest(request_id="r"))
        again = await stub.Abort(pb.AbortRequest(request_id="r"))
        messages = [message async for message in call]
        await engine.ledger.until(lambda ledger: ledger.totals.aborted == 1)

    assert (answer.success, again.success) == (True, False)
    assert messages[-1].complete.finish_reason == "abort"
    assert engine.machine.load(0) == 0


async def test_cancelled_call_frees_the_place() -> None:
    """A caller who leaves gives its place and room back without an abort."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (engine, stub):
        call = stub.Generate(request(), metadata=[("x-sim-fault", "stall_after:2")])
        await call.read()
        call.cancel()
        await engine.ledger.until(lambda ledger: ledger.totals.aborted == 1)

    assert engine.machine.load(0) == 0
    assert engine.machine.schedulers[0].cache.used_tokens == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("status:503", grpc.StatusCode.UNAVAILABLE),
        ("status:418", grpc.StatusCode.INTERNAL),
        ("reset", grpc.StatusCode.UNAVAILABLE),
        ("cut:1", grpc.StatusCode.INTERNAL),
    ],
)
async def test_faults_are_statuses(fault, code) -> None:
    """Faults of a request show as the status of the call."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (engine, stub):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            async for _ in stub.Generate(request(), metadata=[("x-sim-fault", fault)]):
                pass
        await engine.ledger.until(lambda ledger: ledger.totals.failed == 1)

    assert code == failure.value.code()


@pytest.mark.parametrize("fault", ["stall", "hang_head"])
async def test_hanging_call_meets_the_callers_deadline(fault) -> None:
    """No message comes; the record ends when the call does. Only a hung head has sent its metadata."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (engine, stub):
        call = stub.Generate(request(), metadata=[("x-sim-fault", fault)], timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
            await anext(aiter(call))
        await engine.ledger.until(lambda ledger: ledger.totals.aborted == 1)


async def test_empty_prompt_ends_the_engine() -> None:
    """After an empty prompt the engine is not healthy any more."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (_, stub):
        before = await stub.HealthCheck(pb.HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Generate(pb.GenerateRequest(request_id="e", stream=True)).read()
        after = await stub.HealthCheck(pb.HealthCheckRequest())

    assert (before.healthy, after.healthy) == (True, False)


async def test_facts_loads_and_embedding() -> None:
    """Model, server and load facts agree with the settings; ranks are told apart."""
    settings = EngineSettings(speed=0, ranks=2, context_length=2048)
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub, settings) as (engine, stub):
        model = await stub.GetModelInfo(pb.GetModelInfoRequest())
        server = await stub.GetServerInfo(pb.GetServerInfoRequest())
        all_loads = await stub.GetLoads(pb.GetLoadsRequest())
        one_load = await stub.GetLoads(pb.GetLoadsRequest(dp_rank=1))
        tokens = pb.TokenizedInput(input_ids=PROMPT_IDS)
        vector = await stub.Embed(pb.EmbedRequest(request_id="e", tokenized=tokens))
        asked = request()
        asked.data_parallel_rank = 1
        await stub.Generate(asked).read()
        rank = engine.ledger.last.rank

    assert (model.max_context_length, list(model.eos_token_ids)) == (2048, [vocabulary.END_OF_TURN_ID])
    assert server.server_args["dp_size"] == 2
    assert (len(all_loads.loads), [load.dp_rank for load in one_load.loads]) == (2, [1])
    assert list(vector.embedding) == pytest.approx(engine.machine.embedding(PROMPT_IDS))
    assert rank == 1


async def test_tokenizer_comes_in_chunks() -> None:
    """The bundle comes in several messages, the last of which names its hash."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (_, stub):
        chunks = [chunk async for chunk in stub.GetTokenizer(common_pb2.GetTokenizerRequest())]

    assert len(chunks) > 1
    assert [chunk.sha256 for chunk in chunks[:-1]] == [""] * (len(chunks) - 1)
    assert (b"".join(chunk.data for chunk in chunks), chunks[-1].sha256) == vocabulary.bundle(32_768)


async def test_kv_events_follow_the_cache() -> None:
    """Stored blocks hold the prompt's tokens as a chain; a flush is told; a start skips what is known."""
    async with grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (engine, stub):
        async for _ in stub.Generate(request()):
            pass
        await until(lambda: engine.machine.load(0) == 0)
        await stub.FlushCache(common_pb2.FlushCacheRequest())
        follow = stub.SubscribeKvEvents(common_pb2.SubscribeKvEventsRequest())
        first = await follow.read()
        second = await follow.read()
        late = stub.SubscribeKvEvents(common_pb2.SubscribeKvEventsRequest(start_sequence_number=3))
        cleared = await late.read()

    blocks = first.events[0].stored.blocks
    assert [token for block in blocks for token in block.token_ids] == PROMPT_IDS[: 16 * len(blocks)]
    assert second.events[0].stored.parent_block_hash == blocks[-1].block_hash
    assert (cleared.sequence_number, cleared.events[0].WhichOneof("data")) == (3, "cleared")
