"""What an engine's protocol can carry, and the refusal of everything else by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.core.errors import InvalidRequestError, UnsupportedFieldError
from smg.core.generation import ConstraintKind

if TYPE_CHECKING:
    from smg.core.generation import Generation, Sampling
    from smg.core.words import Runtime

ANY_OBJECT = '{"type":"object"}'
"""The schema that stands for "some JSON object" where a protocol has no word for it."""

GRAMMAR_FIELDS = {
    ConstraintKind.JSON_OBJECT: "json_schema",
    ConstraintKind.JSON_SCHEMA: "json_schema",
    ConstraintKind.REGEX: "regex",
    ConstraintKind.EBNF: "ebnf_grammar",
    ConstraintKind.STRUCTURAL_TAG: "structural_tag",
}
"""Fields of the sampling parameters in SGLang's protocol and TokenSpeed's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far one protocol goes; a field not named here is carried by all of them.

    Attributes:
        missing: Fields of ``Sampling`` that it has no room for.
        constraints: Grammar families it carries.
        extras: Entries of ``Sampling.extra`` that it carries, with the type each must have.
        prompt_logprobs: Whether it reports log-probabilities of the prompt.
        ranks: Whether a data-parallel rank can be named.
    """

    missing: frozenset[str] = frozenset()
    constraints: frozenset[ConstraintKind] = frozenset()
    extras: dict[str, type]
    prompt_logprobs: bool
    ranks: bool


def unsupported(field: str, engine: Runtime) -> UnsupportedFieldError:
    """Return the refusal of ``field``."""
    return UnsupportedFieldError(f"{field} is not supported by the {engine.value} engine", param=field)


def beyond(reach: Reach, generation: Generation) -> str | None:
    """Return the first field the protocol cannot carry; None if it carries them all."""
    sampling = generation.sampling
    if sampling.constraint is not None and sampling.constraint.kind not in reach.constraints:
        return sampling.constraint.field
    if generation.prompt_logprobs is not None and not reach.prompt_logprobs:
        return "logprobs"
    if generation.rank is not None and not reach.ranks:
        return "data_parallel_rank"
    return _field_beyond(reach, sampling)


def _field_beyond(reach: Reach, sampling: Sampling) -> str | None:
    given = {name for name in reach.missing if getattr(sampling, name)}
    # a seed of 0 is a seed
    if "seed" in reach.missing and sampling.seed is not None:
        given.add("seed")
    given |= {name for name, value in sampling.extra.items() if value is not None and name not in reach.extras}
    return min(given, default=None)


def check_values(reach: Reach, sampling: Sampling) -> None:
    """Raise InvalidRequestError for values that would mean something else on the wire.

    The protocols read a zero as silence where a zero makes no sense.
    """
    for name in ("top_p", "repetition_penalty"):
        value = getattr(sampling, name)
        if value is not None and value <= 0:
            raise InvalidRequestError(f"{name} must be above 0", param=name)
    for name, kind in reach.extras.items():
        if not _is(sampling.extra.get(name), kind):
            raise InvalidRequestError(f"{name} must be of type {kind.__name__}", param=name)


def _is(value: object, kind: type) -> bool:
    return value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool)))


def asked_tokens(sampling: Sampling) -> int | None:
    """Return the token limit to send: no engine but one accepts 0, so one token is asked for and dropped."""
    return None if sampling.max_tokens is None else max(sampling.max_tokens, 1)


def within(seed: int | None, low: int, high: int) -> int | None:
    """Fold a seed into ``low`` to ``high`` inclusive; a seed within stays as it is, equal seeds stay equal."""
    return None if seed is None else (seed - low) % (high - low + 1) + low
