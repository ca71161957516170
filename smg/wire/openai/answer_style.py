"""What answers are made of, and what every shape of answer can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.generation import Finish


class PieceLogprob(msgspec.Struct, kw_only=True):
    """One token spelt out, with its log-probability and those of its alternatives.

    Attributes:
        token_bytes: What the token adds to the text; part of a character where a character has several tokens,
            unless the engine's own server tells all of it with the last one.
        logprob: Natural logarithm; None for a prompt's first token.
        top: Alternatives in the engine's order: most likely first, but that some put the token itself in front.
            Their own ``top`` is empty.
    """

    token: str
    token_bytes: bytes
    token_id: int
    logprob: float | None
    top: list[PieceLogprob] = msgspec.field(default_factory=list)


class ChoicePiece(msgspec.Struct, kw_only=True):
    """What is new in one answer, or the whole of it where nothing is streamed.

    Attributes:
        index: Position among all answers of the request: prompt number times ``n``, plus the answer's number.
        text: Only the new text.
        logprobs: One entry per id, or empty where none were asked for.
        finish: Set on the answer's last piece.
        prompt_logprobs: One entry per id of the prompt where asked for, on the answer's first piece only.
    """

    index: int
    text: str
    token_ids: list[int] = msgspec.field(default_factory=list)
    logprobs: list[PieceLogprob] = msgspec.field(default_factory=list)
    finish: Finish | None = None
    prompt_logprobs: list[PieceLogprob] = msgspec.field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Usage:
    """Tokens of a whole request so far, all its prompts and answers together."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int = 0


class AnswerStyle(ABC):
    """One request's answers in the shape of one endpoint; made anew for each request.

    Either ``first``, ``piece`` and ``last`` are called, or ``whole`` once.
    """

    @abstractmethod
    def first(self, index: int, usage: Usage) -> bytes:
        """Return the events that open an answer; empty where there are none."""

    @abstractmethod
    def piece(self, piece: ChoicePiece, usage: Usage) -> bytes:
        """Return the events for what is new in one answer."""

    @abstractmethod
    def last(self, usage: Usage) -> bytes:
        """Return the events that end the stream well."""

    @abstractmethod
    def whole(self, pieces: Sequence[ChoicePiece], usage: Usage) -> bytes:
        """Return the body; one piece per answer, in the order of their indices."""


def usage_fields(usage: Usage) -> dict[str, object]:
    """Return ``usage`` as OpenAI spells it; the details are absent where there is nothing to tell."""
    fields: dict[str, object] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens:
        fields["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens:
        fields["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return fields
