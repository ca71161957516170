"""The fields by which callers say how tokens are drawn, shared by all bodies that ask for text."""

from __future__ import annotations

from typing import Any

import msgspec

from smg.wire.openai.ranges import INT64_MAX, MAX_LIST, TOKEN_ID_MAX, Range, bad, check_ranges
from smg.wire.shapes import MAX_ANSWERS, MAX_TOKENS

MAX_STOPS = 64
RANGES = {
    "temperature": Range(0, 2),
    "top_p": Range(0, 1, above=True),
    "min_p": Range(0, 1),
    "frequency_penalty": Range(-2, 2),
    "presence_penalty": Range(-2, 2),
    "repetition_penalty": Range(0, 2, above=True),
    "top_k": Range(-1, TOKEN_ID_MAX),
    "n": Range(1, MAX_ANSWERS),
    "sampling_seed": Range(-INT64_MAX, INT64_MAX),
}


class SamplingFields(msgspec.Struct, kw_only=True):
    """What OpenAI's API and the engines' own have in common; None is the model's default.

    Attributes:
        stop: Strings that end the answer; at most 64, none of them empty.
        logit_bias: Token id in digits to bias, -100 to 100.
        json_schema: A schema, as an object or as JSON text in a string.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    no_stop_trim: bool | None = None
    include_stop_str_in_output: bool | None = None
    n: int | None = None
    sampling_seed: int | None = None
    logit_bias: dict[str, float] | None = None
    regex: str | None = None
    ebnf: str | None = None
    json_schema: msgspec.Raw = msgspec.Raw()
    structural_tag: msgspec.Raw = msgspec.Raw()
    custom_params: dict[str, Any] | None = None
    stop_regex: str | list[str] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, however they were given; none if the field is absent or empty."""
        return ((self.stop,) if self.stop else ()) if isinstance(self.stop, str) else tuple(self.stop or ())


class RequestSampling(SamplingFields, kw_only=True):
    """The fields above as OpenAI's endpoints know them, where they stand beside the prompt.

    Attributes:
        priority: For engines that schedule by it.
    """

    max_tokens: int | None = None
    min_tokens: int | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: msgspec.Raw = msgspec.Raw()
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    guided_grammar: str | None = None
    priority: int | None = None
    lora_path: str | None = None
    lora_id: str | None = None
    custom_logit_processor: str | None = None


class NamedSchema(msgspec.Struct, kw_only=True):
    """The schema of a response format; ``strict`` and the name do not change the answer."""

    schema: msgspec.Raw = msgspec.Raw()


class ResponseFormat(msgspec.Struct, kw_only=True):
    """``text``, ``json_object``, ``json_schema`` or ``structural_tag``, with what belongs to it."""

    type: str
    json_schema: NamedSchema | None = None
    structures: msgspec.Raw = msgspec.Raw()
    triggers: msgspec.Raw = msgspec.Raw()
    format: msgspec.Raw = msgspec.Raw()


class StructuredOutputs(msgspec.Struct, kw_only=True):
    """vLLM's way to constrain an answer: exactly one of these."""

    json: msgspec.Raw = msgspec.Raw()
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: msgspec.Raw = msgspec.Raw()


def check_sampling(fields: SamplingFields, prefix: str = "") -> None:
    """Refuse values out of range; ``prefix`` stands before the names in errors."""
    check_ranges(fields, RANGES, prefix)
    if fields.top_k == 0:
        fields.top_k = -1  # both mean all tokens; the engines differ in which of them they take
    check_stops(fields, prefix)
    check_token_ids(fields.stop_token_ids, prefix + "stop_token_ids")
    check_bias(fields.logit_bias, prefix + "logit_bias")


def check_request_sampling(fields: RequestSampling, max_tokens: int | None, least: int) -> None:
    """Check the fields of an OpenAI body; ``max_tokens`` is the bound that counts, at least ``least``."""
    check_sampling(fields)
    check_ranges(fields, {"max_tokens": Range(least, MAX_TOKENS), "min_tokens": Range(0, MAX_TOKENS)})
    check_ranges(fields, {"seed": Range(-INT64_MAX, INT64_MAX)})
    if fields.min_tokens and max_tokens is not None and fields.min_tokens > max_tokens:
        raise bad("min_tokens", "must not exceed max_tokens")


def check_stops(fields: SamplingFields, prefix: str) -> None:
    """Refuse too many stop strings, and empty ones in a list."""
    if len(fields.stops) > MAX_STOPS:
        raise bad(prefix + "stop", f"must hold at most {MAX_STOPS} strings")
    if not all(fields.stops):
        raise bad(prefix + "stop", "must not hold empty strings")


def check_token_ids(ids: list[int] | None, param: str) -> None:
    """Refuse a list that is too long, and ids that no vocabulary has."""
    if ids and len(ids) > MAX_LIST:
        raise bad(param, f"must hold at most {MAX_LIST} ids")
    if ids and not 0 <= min(ids) <= max(ids) <= TOKEN_ID_MAX:
        raise bad(param, f"must hold ids of 0 to {TOKEN_ID_MAX}")


def check_bias(bias: dict[str, float] | None, param: str) -> None:
    """Refuse keys that are not token ids, and biases out of range."""
    if not bias:
        return
    if len(bias) > MAX_LIST:
        raise bad(param, f"must hold at most {MAX_LIST} ids")
    if not all(key.isascii() and key.isdigit() and len(key) <= 10 for key in bias):  # noqa: PLR2004 - digits of 2**31
        raise bad(param, "must have token ids as keys")
    if not all(-100 <= value <= 100 for value in bias.values()):  # noqa: PLR2004 - the API's own bounds
        raise bad(param, "must have values of -100 to 100")
