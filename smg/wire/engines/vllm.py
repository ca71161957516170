"""vLLM: ``vllm.grpc.engine``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import override

from smg.core.generation import ConstraintKind, Delta, Embedding, EngineFacts
from smg.core.words import Runtime
from smg.stubs import common_pb2 as common
from smg.stubs import vllm_engine_pb2 as pb
from smg.wire.engines.dialect import Dialect, Method
from smg.wire.engines.manner import Manner
from smg.wire.engines.reach import Reach, asked_tokens, within
from smg.wire.engines.reading import finish, matched, scored_delta
from smg.wire.engines.telling import chosen, ids, labels, positive, rank_load, sampling_defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from smg.core.generation import Constraint, Generation, RankLoad, Sampling

SERVICE = "vllm.grpc.engine.VllmEngine"

LABELS = ("kv_connector", "kv_role", "kv_engine_id", "pairing_protocol", "server_type", "max_num_seqs")

GRAMMAR_FIELDS = {
    ConstraintKind.JSON_SCHEMA: "json_schema",
    ConstraintKind.REGEX: "regex",
    ConstraintKind.EBNF: "grammar",
    ConstraintKind.STRUCTURAL_TAG: "structural_tag",
}


class VllmDialect(Dialect):
    """vLLM 0.27 and later behind its gRPC servicer."""

    runtime: ClassVar[Runtime] = Runtime.VLLM
    service: ClassVar[str] = SERVICE
    engine_stops: ClassVar[bool] = True
    manner: ClassVar[Manner] = Manner(
        broken_end=False, whole_tokens=True, model_limit=True, unused_tools=True, special_text=True
    )
    reach: ClassVar[Reach] = Reach(constraints=frozenset(ConstraintKind), extras={}, prompt_logprobs=True, ranks=True)
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
        return pb.GenerateRequest(
            request_id=generation.request_id,
            tokenized=pb.TokenizedInput(original_text=generation.prompt_text, input_ids=generation.prompt_ids),
            sampling_params=_sampling(generation),
            stream=generation.stream,
            data_parallel_rank=generation.rank,
        )

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
        return [pb.AbortRequest(request_ids=request_ids)]

    @override
    def embed_request(
        self, request_id: str, prompt_ids: list[int], prompt_text: str, rank: int | None
    ) -> pb.EmbedRequest:
        del rank  # there is no room for it: the engine picks one, and every rank makes the same vector
        tokenized = pb.TokenizedInput(original_text=prompt_text, input_ids=prompt_ids)
        return pb.EmbedRequest(request_id=request_id, tokenized=tokenized)

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
        """Read what is told; ``instance`` is the KV transfer's engine id, drawn at each start, where there is one."""
        model: pb.GetModelInfoResponse = model_info
        server: pb.GetServerInfoResponse = server_info
        told: dict[str, object] = {name: getattr(server, name) for name in LABELS}
        told |= {"dp_size": server.data_parallel_size, "model_type": model.model_type}
        return EngineFacts(
            served_names=tuple(filter(None, (model.served_model_name,))),
            model_path=model.model_path,
            tokenizer_path=model.tokenizer_path,
            context_length=positive(model.max_context_length),
            is_generation=model.is_generation,
            vocab_size=positive(model.vocab_size),
            eos_token_ids=ids(model.eos_token_ids),
            sampling_defaults=sampling_defaults(model.default_sampling_params_json),
            rank_count=positive(server.data_parallel_size) or 1,
            instance=server.kv_engine_id,
            labels=labels(chosen(told, told)),
        )

    @override
    def loads_request(self) -> pb.GetLoadsRequest:
        return pb.GetLoadsRequest(include=["core"])

    @override
    def ranks(self, message: Any) -> list[RankLoad]:
        response: pb.GetLoadsResponse = message
        return [rank_load(load) for load in response.loads]


def _sampling(generation: Generation) -> pb.SamplingParams:
    sampling = generation.sampling
    params = pb.SamplingParams(
        temperature=sampling.temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        top_k=max(sampling.top_k or 0, 0),
        min_p=sampling.min_p or 0.0,
        frequency_penalty=sampling.frequency_penalty or 0.0,
        presence_penalty=sampling.presence_penalty or 0.0,
        repetition_penalty=1.0 if sampling.repetition_penalty is None else sampling.repetition_penalty,
        max_tokens=asked_tokens(sampling),
        min_tokens=sampling.min_tokens or 0,
        stop=sampling.stop,
        stop_token_ids=sampling.stop_token_ids,
        ignore_eos=sampling.ignore_eos,
        n=sampling.n,
        logprobs=generation.logprobs,
        prompt_logprobs=generation.prompt_logprobs,
        seed=within(sampling.seed, -(2**31), 2**31 - 1),
        logit_bias=sampling.logit_bias,
    )
    _add_text_rules(params, sampling)
    return params


def _add_text_rules(params: pb.SamplingParams, sampling: Sampling) -> None:
    # the gateway detokenizes the ids itself; the engine's text serves its stop strings only
    params.skip_special_tokens = True
    params.spaces_between_special_tokens = True
    params.include_stop_str_in_output = sampling.no_stop_trim
    if sampling.constraint is not None:
        _constrain(params, sampling.constraint)


def _constrain(params: pb.SamplingParams, constraint: Constraint) -> None:
    if constraint.kind is ConstraintKind.JSON_OBJECT:
        params.json_object = True
    elif constraint.kind is ConstraintKind.CHOICE:
        params.choice.choices.extend(msgspec.json.decode(constraint.value, type=list[str]))
    else:
        setattr(params, GRAMMAR_FIELDS[constraint.kind], constraint.value)
