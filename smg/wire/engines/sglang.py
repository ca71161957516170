"""SGLang: ``sglang.grpc.scheduler``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from smg.core.generation import Delta, Embedding, EngineFacts
from smg.core.words import Runtime
from smg.stubs import common_pb2 as common
from smg.stubs import sglang_scheduler_pb2 as pb
from smg.wire.engines.dialect import Dialect, Method
from smg.wire.engines.reach import ANY_OBJECT, GRAMMAR_FIELDS, Reach, asked_tokens
from smg.wire.engines.reading import finish, matched, scored_delta
from smg.wire.engines.telling import arguments, chosen, ids, instant, labels, positive, rank_load, sampling_defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from smg.core.generation import Generation, RankLoad, Sampling

SERVICE = "sglang.grpc.scheduler.SglangScheduler"

LABELS = ("dp_size", "tp_size", "pp_size", "pairing_protocol", "disaggregation_mode", "max_running_requests")


class SglangDialect(Dialect):
    """SGLang behind its gRPC servicer.

    The scheduler knows no text, so string stops are left to the gateway.
    """

    runtime: ClassVar[Runtime] = Runtime.SGLANG
    service: ClassVar[str] = SERVICE
    engine_stops: ClassVar[bool] = False
    reach: ClassVar[Reach] = Reach(
        missing=frozenset({"seed"}),
        constraints=frozenset(GRAMMAR_FIELDS),
        extras={
            "custom_logit_processor": str,
            "custom_params": dict,
            "lora_id": str,
            "require_reasoning": bool,
            "stream_interval": int,
        },
        prompt_logprobs=True,
        ranks=True,
    )
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
    embed: ClassVar[Method | None] = Method(f"/{SERVICE}/Embed", pb.EmbedRequest, pb.EmbedResponse)
    loads: ClassVar[Method | None] = Method(f"/{SERVICE}/GetLoads", pb.GetLoadsRequest, pb.GetLoadsResponse)
    flush_cache: ClassVar[Method | None] = Method(
        f"/{SERVICE}/FlushCache", common.FlushCacheRequest, common.FlushCacheResponse
    )

    @override
    def _generate_request(self, generation: Generation) -> pb.GenerateRequest:
        request = pb.GenerateRequest(
            request_id=generation.request_id,
            tokenized=pb.TokenizedInput(original_text=generation.prompt_text, input_ids=generation.prompt_ids),
            sampling_params=_sampling(generation.sampling),
            stream=generation.stream,
            data_parallel_rank=generation.rank,
        )
        _ask_logprobs(request, generation)
        _add_extras(request, generation.sampling.extra)
        return request

    @override
    def _as_sent(self, message: Any) -> Delta | None:
        response: pb.GenerateResponse = message
        if response.HasField("chunk"):
            chunk = response.chunk
            return scored_delta(chunk, chunk.token_ids[:])
        if not response.HasField("complete"):
            return None
        complete = response.complete
        sent = scored_delta(complete, complete.output_ids[:])
        sent.finish = finish(complete.finish_reason, matched(complete))
        return sent

    @override
    def abort_requests(self, request_ids: Sequence[str]) -> list[Message]:
        reason = "aborted by the gateway"
        return [pb.AbortRequest(request_id=request_id, reason=reason) for request_id in request_ids]

    @override
    def embed_request(
        self, request_id: str, prompt_ids: list[int], prompt_text: str, rank: int | None
    ) -> pb.EmbedRequest:
        tokenized = pb.TokenizedInput(original_text=prompt_text, input_ids=prompt_ids)
        return pb.EmbedRequest(request_id=request_id, tokenized=tokenized, data_parallel_rank=rank or 0)

    @override
    def embedding(self, message: Any) -> Embedding:
        response: pb.EmbedResponse = message
        return Embedding(list(response.embedding), response.prompt_tokens)

    @override
    def healthy(self, message: Any) -> bool:
        response: pb.HealthCheckResponse = message
        return response.healthy

    @override
    def facts(self, model_info: Any, server_info: Any) -> EngineFacts:
        model: pb.GetModelInfoResponse = model_info
        server: pb.GetServerInfoResponse = server_info
        args, scheduler = arguments(server.server_args), server.scheduler_info
        told = chosen(args, LABELS) | {"weight_version": model.weight_version, "model_type": model.model_type}
        return EngineFacts(
            served_names=tuple(filter(None, (model.served_model_name,))),
            model_path=model.model_path,
            tokenizer_path=model.tokenizer_path,
            context_length=_context_length(model, server, args),
            is_generation=model.is_generation,
            # the servicer makes one up where the scheduler is silent
            vocab_size=positive(model.vocab_size) if "vocab_size" in scheduler else None,
            eos_token_ids=ids(model.eos_token_ids),
            sampling_defaults=sampling_defaults(model.default_sampling_params_json, model.preferred_sampling_params),
            rank_count=positive(args.get("dp_size")) or 1,
            version=server.sglang_version,
            instance=instant(server.start_time) if server.HasField("start_time") else "",
            labels=labels(told),
        )

    @override
    def loads_request(self) -> pb.GetLoadsRequest:
        return pb.GetLoadsRequest(include=["core"])

    @override
    def ranks(self, message: Any) -> list[RankLoad]:
        response: pb.GetLoadsResponse = message
        return [rank_load(load) for load in response.loads]


def _sampling(sampling: Sampling) -> pb.SamplingParams:
    params = pb.SamplingParams(
        temperature=1.0 if sampling.temperature is None else sampling.temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        top_k=sampling.top_k or -1,
        min_p=sampling.min_p or 0.0,
        frequency_penalty=sampling.frequency_penalty or 0.0,
        presence_penalty=sampling.presence_penalty or 0.0,
        repetition_penalty=1.0 if sampling.repetition_penalty is None else sampling.repetition_penalty,
        max_new_tokens=asked_tokens(sampling),
        min_new_tokens=sampling.min_tokens or 0,
        stop_token_ids=sampling.stop_token_ids,
        ignore_eos=sampling.ignore_eos,
        no_stop_trim=sampling.no_stop_trim,
        n=sampling.n,
        logit_bias={str(token_id): bias for token_id, bias in sampling.logit_bias.items()},
        # the gateway detokenizes the ids itself
        skip_special_tokens=True,
        spaces_between_special_tokens=True,
    )
    if sampling.constraint is not None:
        setattr(params, GRAMMAR_FIELDS[sampling.constraint.kind], sampling.constraint.value or ANY_OBJECT)
    return params


def _ask_logprobs(request: pb.GenerateRequest, generation: Generation) -> None:
    """Ask for one number of alternatives, the larger one: the protocol has one for prompt and answer."""
    asked = [count for count in (generation.logprobs, generation.prompt_logprobs) if count is not None]
    request.return_logprob = bool(asked)
    request.top_logprobs_num = max(asked, default=0)
    request.logprob_start_len = -1 if generation.prompt_logprobs is None else 0


# Any: the types were checked against ``reach.extras``
def _add_extras(request: pb.GenerateRequest, extra: dict[str, Any]) -> None:
    request.custom_logit_processor = extra.get("custom_logit_processor") or ""
    request.lora_id = extra.get("lora_id") or ""
    request.require_reasoning = extra.get("require_reasoning") or False
    if extra.get("custom_params") is not None:
        request.sampling_params.custom_params.update(extra["custom_params"])
    if extra.get("stream_interval") is not None:
        request.sampling_params.stream_interval = extra["stream_interval"]


def _context_length(
    model: pb.GetModelInfoResponse, server: pb.GetServerInfoResponse, args: dict[str, Any]
) -> int | None:
    """Return the operator's setting, else the model info's unless that is the size of the KV cache."""
    told = positive(model.max_context_length)
    return positive(args.get("context_length")) or (None if told == server.max_total_num_tokens else told)
