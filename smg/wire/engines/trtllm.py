"""TensorRT-LLM: ``trtllm``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from smg.core.generation import ConstraintKind, Delta, EngineFacts, TokenLogprob
from smg.core.words import Runtime
from smg.stubs import common_pb2 as common
from smg.stubs import trtllm_service_pb2 as pb
from smg.wire.engines.dialect import Dialect, Method
from smg.wire.engines.manner import Manner
from smg.wire.engines.reach import ANY_OBJECT, Reach, asked_tokens, within
from smg.wire.engines.reading import finish, matched
from smg.wire.engines.telling import labels, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message

    from smg.core.generation import Constraint, Generation, Sampling

SERVICE = "trtllm.TrtllmService"

GUIDES = {
    ConstraintKind.JSON_OBJECT: pb.GuidedDecodingParams.GUIDE_TYPE_JSON,
    ConstraintKind.JSON_SCHEMA: pb.GuidedDecodingParams.GUIDE_TYPE_JSON_SCHEMA,
    ConstraintKind.REGEX: pb.GuidedDecodingParams.GUIDE_TYPE_REGEX,
    ConstraintKind.EBNF: pb.GuidedDecodingParams.GUIDE_TYPE_EBNF_GRAMMAR,
    ConstraintKind.STRUCTURAL_TAG: pb.GuidedDecodingParams.GUIDE_TYPE_STRUCTURAL_TAG,
}

AS_MUCH_AS_FITS = 2**31 - 1
"""The protocol cannot leave the limit out; the engine lowers it to what the context leaves."""


class TrtllmDialect(Dialect):
    """TensorRT-LLM behind its gRPC servicer, which announces embeddings but serves none."""

    runtime: ClassVar[Runtime] = Runtime.TRTLLM
    service: ClassVar[str] = SERVICE
    engine_stops: ClassVar[bool] = True
    manner: ClassVar[Manner] = Manner(after_prompt=False)
    # a bias would have to be sent as one number per word of the vocabulary
    reach: ClassVar[Reach] = Reach(
        missing=frozenset({"logit_bias"}), constraints=frozenset(GUIDES), extras={}, prompt_logprobs=True, ranks=False
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

    @override
    def _generate_request(self, generation: Generation) -> pb.GenerateRequest:
        sampling = generation.sampling
        return pb.GenerateRequest(
            request_id=generation.request_id,
            tokenized=pb.TokenizedInput(original_text=generation.prompt_text, input_token_ids=generation.prompt_ids),
            sampling_config=_sampling(sampling),
            output_config=pb.OutputConfig(
                logprobs=generation.logprobs,
                prompt_logprobs=generation.prompt_logprobs,
                exclude_input_from_output=True,
            ),
            max_tokens=asked_tokens(sampling) or AS_MUCH_AS_FITS,
            streaming=generation.stream,
            guided_decoding=None if sampling.constraint is None else _guide(sampling.constraint),
            stop=sampling.stop,
            stop_token_ids=sampling.stop_token_ids,
            ignore_eos=sampling.ignore_eos,
            include_stop_token_in_output=sampling.no_stop_trim,
        )

    @override
    def _as_sent(self, message: Any) -> Delta | None:
        response: pb.GenerateResponse = message
        if response.HasField("chunk"):
            chunk = response.chunk
            return _delta(chunk, chunk.token_ids[:])
        if not response.HasField("complete"):
            return None
        complete = response.complete
        delta = _delta(complete, complete.output_token_ids[:])
        delta.prompt_logprobs = _prompt_logprobs(complete.prompt_logprobs)
        delta.finish = finish(complete.finish_reason, matched(complete))
        return delta

    @override
    def abort_requests(self, request_ids: Sequence[str]) -> list[Message]:
        return [pb.AbortRequest(request_id=request_id) for request_id in request_ids]

    @override
    def healthy(self, message: Any) -> bool:
        """Read the text: it is OK, or it says what is wrong."""
        response: pb.HealthCheckResponse = message
        return response.status.upper() == "OK"

    @override
    def facts(self, model_info: Any, server_info: Any) -> EngineFacts:
        """Read what is told: neither when the engine started nor the name it serves under but the model's id."""
        model: pb.GetModelInfoResponse = model_info
        server: pb.GetServerInfoResponse = server_info
        sizes = {"tp_size": server.tensor_parallel_size, "pp_size": server.pipeline_parallel_size}
        return EngineFacts(
            served_names=tuple(filter(None, (model.model_id,))),
            model_path=model.model_id,
            context_length=positive(model.max_seq_len, model.max_input_len),
            vocab_size=positive(model.vocab_size),
            version=server.version,
            labels=labels({**sizes, "world_size": server.world_size, "max_batch_size": model.max_batch_size}),
        )


def _sampling(sampling: Sampling) -> pb.SamplingConfig:
    return pb.SamplingConfig(
        beam_width=1,
        num_return_sequences=sampling.n,
        top_k=None if sampling.top_k is None else max(sampling.top_k, 0),
        top_p=sampling.top_p,
        seed=within(sampling.seed, 0, 2**64 - 1),
        temperature=sampling.temperature,
        min_tokens=sampling.min_tokens,
        repetition_penalty=sampling.repetition_penalty,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        min_p=sampling.min_p,
    )


def _guide(constraint: Constraint) -> pb.GuidedDecodingParams:
    # the servicer passes over a guide without a text, even where the type says all
    return pb.GuidedDecodingParams(guide_type=GUIDES[constraint.kind], guide=constraint.value or ANY_OBJECT)


def _delta(message: pb.GenerateStreamChunk | pb.GenerateComplete, token_ids: list[int]) -> Delta:
    return Delta(
        index=message.sequence_index,
        token_ids=token_ids,
        logprobs=_logprobs(message.logprobs),
        prompt_tokens=message.prompt_tokens,
        cached_tokens=message.cached_tokens,
    )


def _logprobs(entries: Iterable[pb.TokenLogprob]) -> list[TokenLogprob]:
    return [
        TokenLogprob(entry.token_id, entry.logprob, tuple((top.token_id, top.logprob) for top in entry.top_logprobs))
        for entry in entries
    ]


def _prompt_logprobs(entries: Iterable[pb.TokenLogprob]) -> list[TokenLogprob]:
    """Read a prompt's log-probabilities; the protocol cannot say that the first token has none."""
    scored = _logprobs(entries)
    return [TokenLogprob(entry.token_id, None) for entry in scored[:1]] + scored[1:]
