"""The gRPC server of an MLX engine.

Its ways on the wire: one token per chunk, counters are running totals, the ``complete`` of a stream carries no
tokens, every end token is named as matched, nothing is cached, no string stops, grammars or further choices,
and an empty prompt is never answered.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from smg.core.words import Runtime
from smg.sim import facts, vocabulary
from smg.sim.asks import Ask, RefusedError
from smg.sim.grpc_calls import Call, Context, calling, finished, tokenizer_chunks
from smg.sim.grpc_logprobs import output_logprobs
from smg.sim.http_bodies import banned
from smg.stubs import common_pb2
from smg.stubs import mlx_engine_pb2 as pb
from smg.stubs.mlx_engine_pb2_grpc import MlxEngineServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.sim.generations import Choice, Piece
    from smg.sim.machine import Machine


class MlxServicer(MlxEngineServicer):
    """One engine behind MLX's service."""

    runtime = Runtime.MLX

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @override
    async def Generate(self, request: pb.GenerateRequest, context: Context) -> None:  # type: ignore[override]
        # written, not yielded: a cancelled call then ends inside this block, at once
        async with calling(self._machine, "Generate", request, context) as call:
            if request.WhichOneof("input") != "tokenized":
                raise RefusedError("MLX servicer requires tokenized input")
            if not request.tokenized.input_ids:
                await asyncio.Event().wait()
            async for response in _responses(call, request):
                await context.write(response)

    @override
    async def HealthCheck(self, _request: pb.HealthCheckRequest, _context: Context) -> pb.HealthCheckResponse:
        healthy = self._machine.healthy
        return pb.HealthCheckResponse(healthy=healthy, message="OK" if healthy else "generation thread exited")

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
            served_model_name=settings.model,
            is_generation=True,
            max_context_length=settings.context_length,
            max_req_input_len=settings.context_length,
            vocab_size=vocabulary.VOCABULARY_SIZE,
            model_type="sim",
            architectures=[vocabulary.ARCHITECTURE],
            eos_token_ids=[vocabulary.END_OF_TURN_ID, vocabulary.END_OF_TEXT_ID],
            pad_token_id=vocabulary.END_OF_TEXT_ID,
        )

    @override
    async def GetServerInfo(self, _request: pb.GetServerInfoRequest, _context: Context) -> pb.GetServerInfoResponse:
        active = sum(one["num_total_reqs"] for one in facts.loads(self._machine))
        uptime = self._machine.clock.now() - self._machine.started_at
        return pb.GetServerInfoResponse(server_type="mlx-grpc", active_requests=active, uptime_seconds=uptime)

    @override
    async def GetTokenizer(
        self, _request: common_pb2.GetTokenizerRequest, _context: Context
    ) -> AsyncIterator[common_pb2.GetTokenizerChunk]:
        async for chunk in tokenizer_chunks(self._machine):
            yield chunk


def _ask(request: pb.GenerateRequest) -> Ask:
    given = request.sampling_params
    return Ask(
        request_id=request.request_id,
        prompt_ids=tuple(request.tokenized.input_ids),
        max_tokens=given.max_tokens if given.HasField("max_tokens") else None,
        seed=given.seed if given.HasField("seed") else None,
        ignore_eos=given.ignore_eos,
        stop_token_ids=frozenset(given.stop_token_ids),
        banned=banned(given.logit_bias),
        logprobs=given.logprobs if given.logprobs > 0 else None,
    )


async def _responses(call: Call, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateResponse]:
    with call.generating(_ask(request)) as generation:
        if not request.stream:
            await finished(generation)
            yield _complete(generation.choices[0], whole=True)
            return
        async for piece in generation.pieces():
            for at in range(piece.start, piece.end):
                yield _chunk(piece, at)
            if piece.last and piece.choice.ended == "finished":
                yield _complete(piece.choice, whole=False)


def _chunk(piece: Piece, at: int) -> pb.GenerateResponse:
    generation = piece.choice.generation
    token_ids = piece.choice.answer.token_ids[at : at + 1]
    chunk = pb.GenerateStreamChunk(
        token_ids=token_ids,
        prompt_tokens=len(generation.ask.prompt_ids),
        completion_tokens=at + 1,
        output_logprobs=output_logprobs(pb, generation.ask, token_ids, at),
    )
    return pb.GenerateResponse(chunk=chunk)


def _complete(choice: Choice, *, whole: bool) -> pb.GenerateResponse:
    generation = choice.generation
    token_ids = choice.answer.token_ids[: choice.produced] if whole else ()
    complete = pb.GenerateComplete(
        output_ids=token_ids,
        finish_reason=choice.answer.finish,
        prompt_tokens=len(generation.ask.prompt_ids),
        completion_tokens=choice.produced,
        output_logprobs=output_logprobs(pb, generation.ask, token_ids, 0) if whole else None,
        **_matched(choice),
    )
    return pb.GenerateResponse(complete=complete)


def _matched(choice: Choice) -> dict[str, Any]:
    if choice.answer.finish != "stop":
        return {}
    return {"matched_stop_token_id": choice.answer.matched or vocabulary.END_OF_TURN_ID}
