"""MLX's service on the wire."""

from __future__ import annotations

import grpc
import pytest

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.stubs import common_pb2
from smg.stubs import mlx_engine_pb2 as pb
from smg.stubs.mlx_engine_pb2_grpc import MlxEngineStub
from tests.sim.support import PROMPT_IDS, grpc_engine, until


def request(*, stream: bool = True, **sampling) -> pb.GenerateRequest:
    """Return a generation of the usual prompt."""
    tokenized = pb.TokenizedInput(input_ids=PROMPT_IDS)
    params = pb.SamplingParams(**sampling)
    return pb.GenerateRequest(request_id="r", tokenized=tokenized, sampling_params=params, stream=stream)


async def test_stream_ends_without_tokens() -> None:
    """One token per chunk with running totals; the end holds none, but names what ended it."""
    async with grpc_engine(Runtime.MLX, MlxEngineStub) as (_, stub):
        *chunks, last = [message async for message in stub.Generate(request(logprobs=1))]
        whole = (await stub.Generate(request(stream=False, logprobs=2)).read()).complete
        limited = (await stub.Generate(request(stream=False, max_tokens=3)).read()).complete

    assert [message.chunk.completion_tokens for message in chunks] == list(range(1, len(chunks) + 1))
    assert {len(message.chunk.token_ids) for message in chunks} == {1}
    assert (list(last.complete.output_ids), last.complete.completion_tokens) == ([], len(chunks))
    assert last.complete.matched_stop_token_id == vocabulary.END_OF_TURN_ID
    assert len(whole.output_logprobs.top_logprobs) == len(chunks)
    assert (limited.finish_reason, limited.HasField("matched_stop_token_id")) == ("length", False)


async def test_abort_ends_the_stream_silently() -> None:
    """An aborted stream just ends; an empty prompt is never answered; text is refused."""
    async with grpc_engine(Runtime.MLX, MlxEngineStub) as (engine, stub):
        call = aiter(stub.Generate(request(), metadata=[("x-sim-fault", "stall_after:2")]))
        await anext(call)
        await stub.Abort(pb.AbortRequest(request_ids=["r"]))
        rest = [message async for message in call]
        await until(lambda: engine.machine.load(0) == 0)
        empty = pb.GenerateRequest(request_id="e", tokenized=pb.TokenizedInput())
        with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
            await anext(aiter(stub.Generate(empty, timeout=0.1)))
        with pytest.raises(grpc.aio.AioRpcError, match="requires tokenized"):
            await anext(aiter(stub.Generate(pb.GenerateRequest(text="x"))))

    assert not any(message.HasField("complete") for message in rest)


async def test_facts() -> None:
    """Model, server, health and tokenizer are told in MLX's messages."""
    async with grpc_engine(Runtime.MLX, MlxEngineStub) as (_, stub):
        model = await stub.GetModelInfo(pb.GetModelInfoRequest())
        server = await stub.GetServerInfo(pb.GetServerInfoRequest())
        health = await stub.HealthCheck(pb.HealthCheckRequest())
        chunks = [chunk async for chunk in stub.GetTokenizer(common_pb2.GetTokenizerRequest())]

    assert model.max_context_length == 32_768
    assert server.server_type == "mlx-grpc"
    assert health.healthy
    assert chunks[-1].sha256 == vocabulary.bundle(32_768)[1]
