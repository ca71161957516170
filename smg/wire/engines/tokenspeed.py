"""TokenSpeed: ``tokenspeed.grpc.scheduler``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from smg.core.generation import Delta, EngineFacts
from smg.core.words import Runtime
from smg.stubs import common_pb2 as common
from smg.stubs import tokenspeed_scheduler_pb2 as pb
from smg.wire.engines.dialect import Dialect, Method
from smg.wire.engines.reach import ANY_OBJECT, GRAMMAR_FIELDS, Reach, asked_tokens, within
from smg.wire.engines.reading import delta, finish, matched
from smg.wire.engines.telling import arguments, chosen, ids, instant, labels, positive, rank_load, sampling_defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from smg.core.generation import Generation, RankLoad, Sampling

SERVICE = "tokenspeed.grpc.scheduler.TokenSpeedScheduler"

LABELS = ("dp_size", "tp_size", "pairing_protocol", "disaggregation_mode", "max_running_requests")


class TokenspeedDialect(Dialect):
    """TokenSpeed behind its gRPC servicer."""

    runtime: ClassVar[Runtime] = Runtime.TOKENSPEED
    service: ClassVar[str] = SERVICE
    engine_stops: ClassVar[bool] = True
    reach: ClassVar[Reach] = Reach(constraints=frozenset(GRAMMAR_FIELDS), extras={}, prompt_logprobs=False, ranks=True)
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
    loads: ClassVar[Method | None] = Method(f"/{SERVICE}/GetLoads", pb.GetLoadsRequest, pb.GetLoadsResponse)
    flush_cache: ClassVar[Method | None] = Method(
        f"/{SERVICE}/FlushCache", common.FlushCacheRequest, common.FlushCacheResponse
    )

    @override
    def _generate_request(self, generation: Generation) -> pb.GenerateRequest:
        return pb.GenerateRequest(
            request_id=generation.request_id,
            tokenized=pb.TokenizedInput(original_text=generation.prompt_text, input_ids=generation.prompt_ids),
            sampling_params=_sampling(generation.sampling),
            return_logprob=generation.logprobs is not None,
            top_logprobs_num=generation.logprobs or 0,
            stream=generation.stream,
            data_parallel_rank=generation.rank,
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
        sent.finish = finish(complete.finish_reason, matched(complete))
        return sent

    @override
    def abort_requests(self, request_ids: Sequence[str]) -> list[Message]:
        return [pb.AbortRequest(request_id=request_id, reason="aborted by the gateway") for request_id in request_ids]

    @override
    def healthy(self, message: Any) -> bool:
        response: pb.HealthCheckResponse = message
        return response.healthy

    @override
    def facts(self, model_info: Any, server_info: Any) -> EngineFacts:
        """Read what is told; ``dp_size`` is there only where a rank can be named."""
        model: pb.GetModelInfoResponse = model_info
        server: pb.GetServerInfoResponse = server_info
        args = arguments(server.server_args)
        told = chosen(args, LABELS) | {"weight_version": model.weight_version, "model_type": model.model_type}
        return EngineFacts(
            served_names=tuple(filter(None, (model.served_model_name,))),
            model_path=model.model_path,
            tokenizer_path=model.tokenizer_path,
            context_length=positive(model.max_context_length),
            vocab_size=positive(model.vocab_size),
            eos_token_ids=ids(model.eos_token_ids),
            sampling_defaults=sampling_defaults(model.default_sampling_params_json),
            rank_count=positive(args.get("dp_size")) or 1,
            version=server.tokenspeed_version,
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
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        # 0 would be an empty set of candidates
        top_k=None if sampling.top_k is None else sampling.top_k or -1,
        min_p=sampling.min_p,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        repetition_penalty=sampling.repetition_penalty,
        max_new_tokens=asked_tokens(sampling),
        min_new_tokens=sampling.min_tokens or 0,
        stop=sampling.stop,
        stop_token_ids=sampling.stop_token_ids,
        ignore_eos=sampling.ignore_eos,
        no_stop_trim=sampling.no_stop_trim,
        n=sampling.n,
        sampling_seed=within(sampling.seed, 0, 2**64 - 1),
        logit_bias={str(token_id): bias for token_id, bias in sampling.logit_bias.items()},
        # the gateway detokenizes the ids itself
        skip_special_tokens=True,
        spaces_between_special_tokens=True,
    )
    if sampling.constraint is not None:
        setattr(params, GRAMMAR_FIELDS[sampling.constraint.kind], sampling.constraint.value or ANY_OBJECT)
    return params
