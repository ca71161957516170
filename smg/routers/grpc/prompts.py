"""Prompts as tokens: what the caller sent is spelt in ids, checked, and held against the model's context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from smg.core.errors import ContextLengthError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

Source: TypeAlias = str | list[int]
"""A prompt as the caller may send it: text, or the ids of its tokens."""

PROMPTS_AT_MOST = 1024
"""Prompts in one request; each is a call to the engine."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a request.

    Attributes:
        ids: At least one.
        text: What the caller wrote or the chat template made; empty when the caller sent ids.
    """

    ids: list[int]
    text: str


def sources(value: object, param: str, *, empty: bool = False) -> list[Source]:
    """Return the prompts in a field that takes a text, ids, or a list of either; ``empty`` ones only if allowed.

    Raises:
        InvalidRequestError: There is none, one is empty, or there are too many.
    """
    found = _several(value, param)
    if not found or not (empty or all(found)):
        raise InvalidRequestError(f"{param} must not be empty", param=param)
    if len(found) > PROMPTS_AT_MOST:
        raise InvalidRequestError(f"{param} holds more than {PROMPTS_AT_MOST} prompts", param=param)
    return found


def _several(value: object, param: str) -> list[Source]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise InvalidRequestError(f"{param} must be a string, token ids, or a list of either", param=param)
    if _is_ids(value):
        return [value] if value else []
    return [_one(item, f"{param}.{place}") for place, item in enumerate(value)]


def _one(item: object, param: str) -> Source:
    if isinstance(item, str) or (isinstance(item, list) and _is_ids(item)):
        return item
    raise InvalidRequestError(f"{param} must be a string or token ids", param=param)


def _is_ids(value: list[object]) -> bool:
    return all(type(item) is int for item in value)


def check_ids(ids: list[int], vocab_size: int, param: str) -> None:
    """Raise InvalidRequestError for ids that are none of the model's."""
    if ids and not 0 <= min(ids) <= max(ids) < vocab_size:
        raise InvalidRequestError(f"{param} holds ids beyond the vocabulary", param=param)


def answer_tokens(prompt: Prompt, context: int | None, asked: int | None, default: int | None) -> int | None:
    """Return how many tokens the answer may have.

    Args:
        prompt: What it answers.
        context: Tokens of prompt and answer together; None if nobody knows.
        asked: What the caller asked for.
        default: What is meant by silence; None for all that is left.

    Raises:
        ContextLengthError: The prompt leaves no room, or not as much as was asked for.
    """
    if context is None:
        return default if asked is None else asked
    left = context - len(prompt.ids)
    if left < max(asked or 0, 1):
        raise ContextLengthError(
            f"this model's context is {context} tokens: the prompt has {len(prompt.ids)}"
            + (f" and {asked} were asked for" if asked else "")
        )
    if asked is not None:
        return asked
    return left if default is None else min(default, left)


def check_fits(prompts: Sequence[Prompt], context: int | None) -> None:
    """Raise ContextLengthError for a prompt that is longer than ``context`` tokens."""
    for prompt in prompts:
        if context is not None and len(prompt.ids) > context:
            raise ContextLengthError(f"this model's context is {context} tokens: the input has {len(prompt.ids)}")
