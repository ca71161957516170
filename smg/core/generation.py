"""A generation in words that no engine protocol owns: what is asked, and what comes back.

Routers build a ``Generation`` once per choice of prompt; a dialect turns it into its engine's
protobuf and its engine's messages into ``Delta``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import msgspec


class ConstraintKind(Enum):
    """Grammar families by which an answer can be constrained."""

    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    EBNF = "ebnf"
    STRUCTURAL_TAG = "structural_tag"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A grammar the answer must follow.

    Attributes:
        value: Schema as JSON text, pattern or grammar; empty for ``JSON_OBJECT``; for ``CHOICE`` a JSON
            array of strings.
        field: Request field it came from, named in errors.
    """

    kind: ConstraintKind
    value: str
    field: str


@dataclass(slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn; None means the caller was silent and the model's default applies.

    Attributes:
        max_tokens: Tokens to generate at most; 0 only scores the prompt.
        stop: Strings that end the answer, matched on the text.
        stop_token_ids: Ids that end the answer, the model's end-of-text ids not included.
        n: Answers per prompt, at least 1.
        logit_bias: Token id to bias, -100 to 100.
        extra: Engine-specific fields by the caller's name for them (``priority``, ``lora_path``,
            ``custom_logit_processor`` …); a dialect that cannot serve one refuses it by name.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    no_stop_trim: bool = False
    n: int = 1
    seed: int | None = None
    logit_bias: dict[int, float] = field(default_factory=dict)
    constraint: Constraint | None = None
    extra: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Generation:
    """One prompt to one engine.

    Attributes:
        request_id: Unique per call to the engine; abort names it.
        prompt_ids: Token ids, at least one.
        prompt_text: What the ids spell, or empty when the caller sent ids.
        logprobs: Alternatives to report per generated token; None reports no logprobs, 0 only the token's own.
        prompt_logprobs: The same for the prompt's tokens.
        rank: Data-parallel rank, None where the worker has none; 0 is a rank.
    """

    request_id: str
    prompt_ids: list[int]
    prompt_text: str
    sampling: Sampling
    stream: bool
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Log-probability of one token and of its alternatives, in the engine's order.

    Attributes:
        logprob: Natural logarithm; None for a prompt's first token, which has no condition.
        top: Pairs of token id and log-probability.
    """

    token_id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Why one answer ended.

    Attributes:
        reason: ``stop``, ``length`` or ``abort``.
        matched: The stop string or stop token id the engine named, if any.
    """

    reason: str
    matched: str | int | None = None


class Delta(msgspec.Struct, kw_only=True):
    """New tokens of one answer.

    Attributes:
        index: Which of the ``n`` answers.
        token_ids: Only the new ids, whatever the engine's protocol repeats.
        logprobs: One entry per new id, or empty.
        prompt_tokens: As the engine counts the prompt; 0 while unknown.
        cached_tokens: Prompt tokens served from the engine's prefix cache.
        finish: Set on the answer's last delta.
    """

    index: int = 0
    token_ids: list[int] = []
    logprobs: list[TokenLogprob] = []
    prompt_logprobs: list[TokenLogprob] = []
    prompt_tokens: int = 0
    cached_tokens: int = 0
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """One vector, and the tokens its input was counted as."""

    values: list[float]
    prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine tells of itself and its model; None or empty where it is silent.

    Attributes:
        context_length: Tokens of prompt and answer together.
        tokenizer_path: Path as the engine sees it; may not exist here.
        eos_token_ids: Ids that end a text.
        sampling_defaults: The model's generation_config, by OpenAI field name.
        rank_count: Data-parallel ranks, at least 1.
        instance: Changes when the engine restarts; empty if it cannot tell.
    """

    served_names: tuple[str, ...] = ()
    model_path: str = ""
    tokenizer_path: str = ""
    context_length: int | None = None
    is_generation: bool = True
    vocab_size: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    sampling_defaults: dict[str, float] = field(default_factory=dict)
    rank_count: int = 1
    version: str = ""
    instance: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankLoad:
    """Load of one data-parallel rank as the engine reports it; the field names are the wire's."""

    dp_rank: int = 0
    num_running_reqs: int = 0
    num_waiting_reqs: int = 0
    num_waiting_uncached_tokens: int = 0
    num_total_reqs: int = 0
    num_used_tokens: int = 0
    max_total_num_tokens: int = 0
    token_usage: float = 0.0
    gen_throughput: float = 0.0
    cache_hit_rate: float = 0.0
    utilization: float = 0.0
    max_running_requests: int = 0
