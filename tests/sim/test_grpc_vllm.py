"""vLLM's service on the wire."""

from __future__ import annotations

import grpc
import pytest

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.stubs import common_pb2
from smg.stubs import vllm_engine_pb2 as pb
from smg.stubs.vllm_engine_pb2_grpc import VllmEngineStub
from tests.sim.support import PROMPT_IDS, grpc_engine, until


def request(*, stream: bool = True, **sampling) -> pb.GenerateRequest:
    """Return a generation of the usual prompt."""
    tokenized = pb.TokenizedInput(input_ids=PROMPT_IDS)
    params = pb.SamplingParams(**sampling)
    return pb.GenerateRequest(request_id="r", tokenized=tokenized, sampling_params=params, stream=stream)


async def test_stream_counts_each_message() -> None:
    """Every message counts its own tokens, the last one too; the model's own end is not named."""
    async with grpc_engine(Runtime.VLLM, VllmEngineStub) as (_, stub):
        *chunks, last = [message async for message in stub.Generate(request(logprobs=2))]
        whole = [message async for message in stub.Generate(request(stream=False))]

    assert all(message.chunk.completion_tokens == len(message.chunk.token_ids) for message in chunks)
    tokens = [token for message in chunks for token in message.chunk.token_ids]
    assert last.complete.output_ids == chunks[-1].chunk.token_ids
    assert last.complete.completion_tokens == len(last.complete.output_ids)
    assert last.complete.WhichOneof("matched_stop") is None
    assert len(chunks[0].chunk.output_logprobs.top_logprobs[0].values) == 2
    assert list(whole[0].complete.output_ids) == tokens
    assert whole[0].complete.completion_tokens == len(tokens)


async def test_text_seed_and_constraints_are_served() -> None:
    """A prompt may be text; a seed changes the answer; grammars are obeyed or refused."""
    text = pb.GenerateRequest(request_id="t", text=vocabulary.decode(PROMPT_IDS, skip_special_tokens=False))
    choice = request(stream=False, choice=pb.ChoiceConstraint(choices=["yes", "no"]))
    async with grpc_engine(Runtime.VLLM, VllmEngineStub) as (_, stub):
        by_text = (await stub.Generate(text).read()).complete.output_ids
        by_tokens = (await stub.Generate(request(stream=False)).read()).complete.output_ids
        seeded = (await stub.Generate(request(stream=False, seed=1)).read()).complete.output_ids
        chosen = (await stub.Generate(choice).read()).complete.output_ids
        json = (await stub.Generate(request(stream=False, json_object=True)).read()).complete.output_ids
        with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
            await stub.Generate(request(regex="a+")).read()
        with pytest.raises(grpc.aio.AioRpcError, match="cannot be empty"):
            await stub.Generate(pb.GenerateRequest(request_id="e")).read()

    assert by_text == by_tokens != seeded
    assert vocabulary.decode(chosen) == "yes"
    assert vocabulary.decode(json).startswith("{")


async def test_abort_names_several_requests() -> None:
    """Aborted requests end with their reason, and a stop token is named."""
    async with grpc_engine(Runtime.VLLM, VllmEngineStub) as (engine, stub):
        engine.faults.set("stall_after:2")
        call = aiter(stub.Generate(request()))
        await anext(call)
        await stub.Abort(pb.AbortRequest(request_ids=["other", "r"]))
        messages = [message async for message in call]
        engine.faults.clear()
        await until(lambda: engine.machine.load(0) == 0)
        plain = (await stub.Generate(request(stream=False)).read()).complete
        stopped = (await stub.Generate(request(stream=False, stop_token_ids=[plain.output_ids[4]])).read()).complete

    assert messages[-1].complete.finish_reason == "abort"
    assert stopped.matched_token_id == plain.output_ids[4]


async def test_facts() -> None:
    """Model, server, loads, tokenizer, events, embedding and health are told in vLLM's messages."""
    async with grpc_engine(Runtime.VLLM, VllmEngineStub) as (engine, stub):
        model = await stub.GetModelInfo(pb.GetModelInfoRequest())
        server = await stub.GetServerInfo(pb.GetServerInfoRequest())
        loads = await stub.GetLoads(pb.GetLoadsRequest())
        health = await stub.HealthCheck(pb.HealthCheckRequest())
        flushed = await stub.FlushCache(common_pb2.FlushCacheRequest())
        event = await stub.SubscribeKvEvents(common_pb2.SubscribeKvEventsRequest()).read()
        chunks = [chunk async for chunk in stub.GetTokenizer(common_pb2.GetTokenizerRequest())]
        tokens = pb.TokenizedInput(input_ids=PROMPT_IDS)
        vector = await stub.Embed(pb.EmbedRequest(request_id="e", tokenized=tokens))

    assert (model.served_model_name, model.vocab_size) == ("sim", vocabulary.VOCABULARY_SIZE)
    assert (server.server_type, server.data_parallel_size) == ("vllm-grpc", 1)
    assert loads.loads[0].max_total_num_tokens == engine.settings.kv_tokens
    assert health.healthy
    assert flushed.success
    assert event.events[0].WhichOneof("data") == "cleared"
    assert chunks[-1].sha256 == vocabulary.bundle(32_768)[1]
    assert (vector.embedding_dim, vector.prompt_tokens) == (32, len(PROMPT_IDS))
