"""MLX: ``mlx.grpc.engine``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from smg.core.generation import Delta, EngineFacts
from smg.core.words import Runtime
from smg.stubs import common_pb2 as common
from smg.stubs import mlx_engine_pb2 as pb
from smg.wire.engines.dialect import Dialect, Method
from smg.wire.engines.manner import Manner
from smg.wire.engines.reach import Reach, asked_tokens, within
from smg.wire.engines.reading import delta, finish
from smg.wire.engines.telling import labels, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from smg.core.generation import Generation

SERVICE = "mlx.grpc.engine.MlxEngine"


class MlxDialect(Dialect):
    """mlx-lm behind its gRPC servicer: one answer per prompt, no grammars, no string stops."""

    runtime: ClassVar[Runtime] = Runtime.MLX
    service: ClassVar[str] = SERVICE
    max_n: ClassVar[int | None] = 1
    engine_stops: ClassVar[bool] = False
    manner: ClassVar[Manner] = Manner(broken_end=False, after_prompt=False)
    reach: ClassVar[Reach] = Reach(missing=frozenset({"min_tokens"}), extras={}, prompt_logprobs=False, ranks=False)
    generate: ClassVar[Method] = Method(f"/{SERVICE}/Generate", pb.GenerateRequest, pb.GenerateResponse)
    abort: ClassVar[Method] = Method(f"/{SERVICE}/Abort", pb.AbortRequest, pb.AbortResponse)
    health: ClassVar[Method] = Method(f"/{SERVICE}/HealthCheck", pb.HealthCheckRequest, pb.HealthCheckResponse)
    model_info: ClassVar[Method] = Method(f"/{SERVICE}/GetModelInfo", pb.GetModelInfoRequest, pb.GetModelInfoResponse)
    server_info: ClassVar[Method] = Method(
        f"/{SERVICE}/GetServerInfo", pb.GetServerInfoRequest, pb.GetServerInfoResponse
    )
    tokenizer: ClassVar[Method] = Method(
        f"/{SERVICE}/GetTokenizer", common.GetTokenizerRequest, common.GetTokenizerChunk
    )

    @override
    def _generate_request(self, generation: Generation) -> pb.GenerateRequest:
        return pb.GenerateRequest(
            request_id=generation.request_id,
            tokenized=pb.TokenizedInput(original_text=generation.prompt_text, input_ids=generation.prompt_ids),
            sampling_params=_sampling(generation),
            stream=generation.stream,
        )

    @override
    def _as_sent(self, message: Any) -> Delta | None:
        response: pb.GenerateResponse = message
        if response.HasField("chunk"):
            chunk = response.chunk
            return delta(chunk, chunk.token_ids[:])
        if not response.HasField("complete"):
            return None
        complete = response.complete
        sent = delta(complete, complete.output_ids[:])
        stop = complete.matched_stop_token_id if complete.HasField("matched_stop_token_id") else None
        sent.finish = finish(complete.finish_reason, stop)
        return sent

    @override
    def abort_requests(self, request_ids: Sequence[str]) -> list[Message]:
        return [pb.AbortRequest(request_ids=request_ids)]

    @override
    def healthy(self, message: Any) -> bool:
        response: pb.HealthCheckResponse = message
        return response.healthy

    @override
    def facts(self, model_info: Any, server_info: Any) -> EngineFacts:
        """Read what is told; the server tells only its uptime, from which no steady ``instance`` follows."""
        model: pb.GetModelInfoResponse = model_info
        server: pb.GetServerInfoResponse = server_info
        return EngineFacts(
            served_names=tuple(filter(None, (model.served_model_name,))),
            model_path=model.model_path,
            context_length=positive(model.max_context_length),
            is_generation=model.is_generation,
            vocab_size=positive(model.vocab_size),
            eos_token_ids=tuple(model.eos_token_ids),
            labels=labels({"model_type": model.model_type, "server_type": server.server_type}),
        )


def _sampling(generation: Generation) -> pb.SamplingParams:
    sampling = generation.sampling
    return pb.SamplingParams(
        temperature=sampling.temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        top_k=max(sampling.top_k or 0, 0),
        min_p=sampling.min_p or 0.0,
        # 0 is "none" here and spares the engine a pass over the logits
        repetition_penalty=sampling.repetition_penalty or 0.0,
        frequency_penalty=sampling.frequency_penalty or 0.0,
        presence_penalty=sampling.presence_penalty or 0.0,
        logit_bias=sampling.logit_bias,
        max_tokens=asked_tokens(sampling),
        stop_token_ids=sampling.stop_token_ids,
        ignore_eos=sampling.ignore_eos,
        # 0 reports nothing at all, so one alternative is asked for and dropped
        logprobs=None if generation.logprobs is None else max(generation.logprobs, 1),
        # the engine's generator takes no negative seed
        seed=within(sampling.seed, 0, 2**31 - 1),
    )
