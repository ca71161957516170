"""The gRPC server of a vLLM engine.

Its ways on the wire: counters count the message's own tokens; a stream ends, per choice, with a ``complete``
that repeats the last chunk's tokens alone; the model's own end is not named as a match; log probabilities are asked
for by a number; an empty prompt is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from smg.core.words import Runtime
from smg.sim import facts, vocabulary
from smg.sim.asks import Ask, RefusedError
from smg.sim.grpc_calls import Call, Context, calling, finished, tokenizer_chunks
from smg.sim.grpc_events import kv_event_batches
from smg.sim.grpc_logprobs import input_logprobs, output_logprobs
from smg.sim.http_bodies import banned
from smg.stubs import common_pb2
from smg.stubs import vllm_engine_pb2 as pb
from smg.stubs.vllm_engine_pb2_grpc import VllmEngineServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.sim.generations import Choice, Piece
    from smg.sim.machine import Machine


class VllmServicer(VllmEngineServicer):
    """One engine behind vLLM's service."""

    runtime = Runtime.VLLM

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @override
    async def Generate(self, request: pb.GenerateRequest, context: Context) -> None:  # type: ignore[override]
        # written, not yielded: a cancelled call then ends inside this block, at once
        rank = request.data_parallel_rank if request.HasField("data_parallel_rank") else None
        async with calling(self._machine, "Generate", request, context, rank=rank) as call:
            asked = _ask(request)
            if not asked.prompt_ids:
                raise RefusedError("The decoder prompt cannot be empty")
            async for response in _responses(call, request, asked):
                await context.write(response)

    @override
    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        async with calling(self._machine, "Embed", request, context):
            vector = self._machine.embedding(request.tokenized.input_ids)
            count = len(request.tokenized.input_ids)
            return pb.EmbedResponse(embedding=vector, embedding_dim=len(vector), prompt_tokens=count)
        raise AssertionError  # calling never swallows

    @override
    async def HealthCheck(self, _request: pb.HealthCheckRequest, _context: Context) -> pb.HealthCheckResponse:
        healthy = self._machine.healthy
        return pb.HealthCheckResponse(healthy=healthy, message="Health" if healthy else "Engine is not alive")

    @override
    async def Abort(self, request: pb.AbortRequest, _context: Context) -> pb.AbortResponse:
        for request_id in request.request_ids:
            self._machine.abort(request_id)
        return pb.AbortResponse()

    @override
    async def GetModelInfo(self, _request: pb.GetModelInfoRequest, _context: Context) -> pb.GetModelInfoResponse:
        settings = self._machine.settings
        return pb.GetModelInfoResponse(
            model_path=settings.model,
            tokenizer_path=settings.model,
            served_model_name=settings.model,
            is_generation=True,
            max_context_length=settings.context_length,
            max_req_input_len=settings.context_length,
            vocab_size=vocabulary.VOCABULARY_SIZE,
            model_type="sim",
            architectures=[vocabulary.ARCHITECTURE],
            eos_token_ids=[vocabulary.END_OF_TURN_ID, vocabulary.END_OF_TEXT_ID],
            pad_token_id=vocabulary.END_OF_TEXT_ID,
            default_sampling_params_json='{"temperature":0.7}',
        )

    @override
    async def GetServerInfo(self, _request: pb.GetServerInfoRequest, _context: Context) -> pb.GetServerInfoResponse:
        machine = self._machine
        return pb.GetServerInfoResponse(
            active_requests=sum(one["num_total_reqs"] for one in facts.loads(machine)),
            uptime_seconds=machine.clock.now() - machine.started_at,
            server_type="vllm-grpc",
            data_parallel_size=machine.settings.ranks,
            block_size=machine.settings.block_tokens,
            max_num_seqs=machine.settings.max_running,
        )

    @override
    async def GetLoads(self, request: pb.GetLoadsRequest, _context: Context) -> pb.GetLoadsResponse:
        wanted = request.dp_rank if request.HasField("dp_rank") else None
        found = [one for one in facts.loads(self._machine) if wanted in {None, one["dp_rank"]}]
        return pb.GetLoadsResponse(
            timestamp=facts.timestamp(),
            version=self._machine.version,
            dp_rank_count=self._machine.settings.ranks,
            loads=[pb.SchedulerLoad(**one) for one in found],
        )

    @override
    async def FlushCache(
        self, _request: common_pb2.FlushCacheRequest, _context: Context
    ) -> common_pb2.FlushCacheResponse:
        self._machine.flush()
        return common_pb2.FlushCacheResponse(success=True, message="prefix cache reset")

    @override
    async def GetTokenizer(
        self, _request: common_pb2.GetTokenizerRequest, _context: Context
    ) -> AsyncIterator[common_pb2.GetTokenizerChunk]:
        async for chunk in tokenizer_chunks(self._machine):
            yield chunk

    @override
    async def SubscribeKvEvents(
        self, request: common_pb2.SubscribeKvEventsRequest, _context: Context
    ) -> AsyncIterator[common_pb2.KvEventBatch]:
        async for batch in kv_event_batches(self._machine, request.start_sequence_number):
            yield batch


def _constraint(given: pb.SamplingParams) -> tuple[str, str] | None:
    match given.WhichOneof("constraint"):
        case None:
            return None
        case "json_object":
            return ("json_object", "")
        case "choice":
            return ("choice", given.choice.choices[0])
        case kind:
            return (kind, getattr(given, kind))


def _ask(request: pb.GenerateRequest) -> Ask:
    given = request.sampling_params
    if request.WhichOneof("input") == "text":
        prompt_ids = tuple(vocabulary.encode(request.text))
    else:
        prompt_ids = tuple(request.tokenized.input_ids)
    return Ask(
        request_id=request.request_id,
        prompt_ids=prompt_ids,
        max_tokens=given.max_tokens if given.HasField("max_tokens") else None,
        min_tokens=given.min_tokens,
        seed=given.seed if given.HasField("seed") else None,
        n=max(1, given.n),
        ignore_eos=given.ignore_eos,
        stop=tuple(given.stop),
        stop_token_ids=frozenset(given.stop_token_ids),
        banned=banned(given.logit_bias),
        constraint=_constraint(given),
        logprobs=given.logprobs if given.HasField("logprobs") else None,
        prompt_logprobs=given.HasField("prompt_logprobs"),
    )


async def _responses(call: Call, request: pb.GenerateRequest, asked: Ask) -> AsyncIterator[pb.GenerateResponse]:
    with call.generating(asked) as generation:
        if not request.stream:
            await finished(generation)
            for choice in generation.choices:
                yield _complete(choice, 0)
            return
        async for piece in generation.pieces():
            yield _chunk(piece)
            if piece.last:
                yield _complete(piece.choice, piece.start)


def _chunk(piece: Piece) -> pb.GenerateResponse:
    generation = piece.choice.generation
    chunk = pb.GenerateStreamChunk(
        token_ids=piece.token_ids,
        prompt_tokens=len(generation.ask.prompt_ids),
        completion_tokens=len(piece.token_ids),
        cached_tokens=generation.cached_tokens,
        output_logprobs=output_logprobs(pb, generation.ask, piece.token_ids, piece.start),
        input_logprobs=input_logprobs(pb, generation.ask) if piece.start == 0 else None,
        index=piece.choice.index,
    )
    return pb.GenerateResponse(chunk=chunk)


def _complete(choice: Choice, start: int) -> pb.GenerateResponse:
    """Return the end of a choice with its tokens from ``start`` on, and with their number."""
    generation = choice.generation
    token_ids = choice.answer.token_ids[start : choice.produced]
    complete = pb.GenerateComplete(
        output_ids=token_ids,
        finish_reason="abort" if choice.ended == "aborted" else choice.answer.finish,
        prompt_tokens=len(generation.ask.prompt_ids),
        completion_tokens=len(token_ids),
        cached_tokens=generation.cached_tokens,
        output_logprobs=output_logprobs(pb, generation.ask, token_ids, start),
        input_logprobs=input_logprobs(pb, generation.ask),
        index=choice.index,
        **_matched(choice),
    )
    return pb.GenerateResponse(complete=complete)


def _matched(choice: Choice) -> dict[str, Any]:
    matched = choice.answer.matched
    if matched is None or choice.ended == "aborted":
        return {}
    return {"matched_stop_str": matched} if isinstance(matched, str) else {"matched_token_id": matched}
