"""Bodies turned into ``Sampling``: the caller's silence stays silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.core.generation import Constraint, Sampling
from smg.wire.openai.constraints import of_fields, of_request, only

if TYPE_CHECKING:
    from smg.wire.openai.chat_body import ChatBody
    from smg.wire.openai.completion_body import CompletionBody
    from smg.wire.openai.generate_body import GenerateParams
    from smg.wire.openai.sampling_fields import RequestSampling, SamplingFields

SAME_NAME = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
)
EXTRAS = ("priority", "lora_path", "lora_id", "custom_logit_processor", "custom_params", "stop_regex")
PARAM_EXTRAS = (*EXTRAS, "extra_key", "stream_interval")


def chat_sampling(body: ChatBody) -> Sampling:
    """Return how a chat's answer is drawn.

    Raises:
        InvalidRequestError: Several constraints, or one that cannot be read.
    """
    return request_sampling(body, body.answer_tokens)


def completion_sampling(body: CompletionBody) -> Sampling:
    """Return how a completion is drawn; raises as ``chat_sampling`` does."""
    return request_sampling(body, body.answer_tokens)


def generate_sampling(params: GenerateParams) -> Sampling:
    """Return how one prompt's answers are drawn; raises as ``chat_sampling`` does."""
    constraint = only(of_fields(params, "sampling_params."))
    sampling = common(params, constraint, extras(params, PARAM_EXTRAS))
    sampling.max_tokens = params.max_new_tokens
    sampling.min_tokens = params.min_new_tokens
    return sampling


def request_sampling(body: RequestSampling, max_tokens: int | None) -> Sampling:
    """Return the sampling of an OpenAI body, whose bound on the answer is ``max_tokens``."""
    sampling = common(body, only(of_request(body)), extras(body, EXTRAS))
    sampling.max_tokens = max_tokens
    sampling.min_tokens = body.min_tokens
    sampling.seed = body.sampling_seed if body.seed is None else body.seed
    return sampling


def common(fields: SamplingFields, constraint: Constraint | None, extra: dict[str, object]) -> Sampling:
    """Return what all bodies say alike."""
    numbers: dict[str, Any] = {name: getattr(fields, name) for name in SAME_NAME}
    return Sampling(
        **numbers,
        stop=fields.stops,
        stop_token_ids=tuple(fields.stop_token_ids or ()),
        ignore_eos=bool(fields.ignore_eos),
        skip_special_tokens=fields.skip_special_tokens is not False,
        no_stop_trim=bool(fields.no_stop_trim or fields.include_stop_str_in_output),
        n=fields.n or 1,
        seed=fields.sampling_seed,
        logit_bias={int(key): value for key, value in (fields.logit_bias or {}).items()},
        constraint=constraint,
        extra=extra,
    )


def extras(fields: SamplingFields, names: tuple[str, ...]) -> dict[str, object]:
    """Return the fields of few engines that the caller has set."""
    given = ((name, getattr(fields, name)) for name in names)
    return {name: value for name, value in given if value is not None}
