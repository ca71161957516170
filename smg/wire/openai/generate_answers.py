"""Answers of SGLang's own ``/generate``; each event of its stream repeats the text from the beginning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.wire.openai.answer_style import AnswerStyle, ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.chunks import encode, finite
from smg.wire.sse import DONE, data_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.generation import Finish


@dataclass(slots=True)
class Told:
    """All of one answer so far."""

    text: str = ""
    ids: list[int] = field(default_factory=list)
    logprobs: list[PieceLogprob] = field(default_factory=list)
    prompt_logprobs: list[PieceLogprob] = field(default_factory=list)

    def add(self, piece: ChoicePiece) -> None:
        """Take in what is new."""
        self.text += piece.text
        self.ids += piece.token_ids
        self.logprobs += piece.logprobs
        self.prompt_logprobs += piece.prompt_logprobs


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateShape:
    """What the shape of the answer depends on.

    Attributes:
        answer_ids: One per answer, in the order of their indices.
        prompt_tokens: Of each answer's prompt, likewise.
        several: The answer is a list, and events say which of it they are about.
        logprobs: For each answer whether log-probabilities are told.
        spelt: Log-probabilities hold the token's text, too.
    """

    answer_ids: Sequence[str]
    prompt_tokens: Sequence[int]
    several: bool
    logprobs: Sequence[bool]
    spelt: bool = False


class GenerateStyle(AnswerStyle):
    """Answers of ``/generate``; ``elapsed`` tells the seconds since the request came."""

    def __init__(self, shape: GenerateShape, elapsed: Callable[[], float]) -> None:
        self._shape = shape
        self._elapsed = elapsed
        self._told = [Told() for _ in shape.answer_ids]

    @override
    def first(self, index: int, usage: Usage) -> bytes:
        return b""

    @override
    def piece(self, piece: ChoicePiece, usage: Usage) -> bytes:
        fields = self._answer(piece, usage)
        if self._shape.several:
            fields["index"] = piece.index
        return data_event(encode(fields))

    @override
    def last(self, usage: Usage) -> bytes:
        return DONE

    @override
    def whole(self, pieces: Sequence[ChoicePiece], usage: Usage) -> bytes:
        answers = [self._answer(piece, usage) for piece in pieces]
        return encode(answers if self._shape.several else answers[0])

    def _answer(self, piece: ChoicePiece, usage: Usage) -> dict[str, object]:
        told = self._told[piece.index]
        told.add(piece)
        meta = self._meta(piece, told, usage)
        if self._shape.logprobs[piece.index]:
            meta |= self._logprobs(told)
        return {"text": told.text, "output_ids": told.ids, "meta_info": meta}

    def _meta(self, piece: ChoicePiece, told: Told, usage: Usage) -> dict[str, object]:
        meta: dict[str, object] = {
            "id": self._shape.answer_ids[piece.index],
            "finish_reason": finish_fields(piece.finish, len(told.ids)),
            "prompt_tokens": self._shape.prompt_tokens[piece.index],
            "completion_tokens": len(told.ids),
        }
        if not self._shape.several:  # of several prompts only the sum is known
            meta["cached_tokens"] = usage.cached_tokens
        if piece.finish is not None:
            meta["e2e_latency"] = self._elapsed()
        return meta

    def _logprobs(self, told: Told) -> dict[str, object]:
        fields: dict[str, object] = {}
        for name, entries in (("input", told.prompt_logprobs), ("output", told.logprobs)):
            fields[f"{name}_token_logprobs"] = [self._triple(entry) for entry in entries]
            if any(entry.top for entry in entries):
                fields[f"{name}_top_logprobs"] = [[self._triple(other) for other in entry.top] for entry in entries]
        return fields

    def _triple(self, entry: PieceLogprob) -> tuple[float | None, int, str | None]:
        return finite(entry.logprob), entry.token_id, entry.token if self._shape.spelt else None


def finish_fields(finish: Finish | None, length: int) -> dict[str, object] | None:
    """Return why an answer of ``length`` tokens ended; None while it has not."""
    if finish is None:
        return None
    if finish.reason == "length":
        return {"type": "length", "length": length}
    matched = {} if finish.matched is None else {"matched": finish.matched}
    return {"type": finish.reason, **matched}
