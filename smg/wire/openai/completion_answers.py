"""Text completions as engines' own servers answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from smg.wire.openai.answer_style import AnswerStyle, ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.chat_answers import ending
from smg.wire.openai.chunks import NO_USAGE, Envelope, UsageWishes, encode, finite

if TYPE_CHECKING:
    from collections.abc import Sequence


class CompletionStyle(AnswerStyle):
    """Answers of ``/v1/completions``.

    Attributes:
        answer_id: Sent as it is; by custom it begins with ``cmpl-``.
        created: Seconds since 1970.
        logprobs: How many of the likeliest tokens are told beside each; None tells no log-probabilities.
        echoes: What stands before each choice's own text, by choice index: its prompt; empty for no echo.
    """

    def __init__(
        self,
        answer_id: str,
        model: str,
        created: int,
        *,
        echoes: Sequence[str] = (),
        logprobs: int | None = None,
        usage: UsageWishes = NO_USAGE,
    ) -> None:
        self._envelope = Envelope("text_completion", answer_id, model, created)
        self._echoes = echoes
        self._logprobs = logprobs
        self._wishes = usage
        self._told_chars: dict[int, int] = {}  # by the tokens told, ahead of a text held back for stop strings

    @override
    def first(self, index: int, usage: Usage) -> bytes:
        return b""

    @override
    def piece(self, piece: ChoicePiece, usage: Usage) -> bytes:
        end = self._envelope.ended(usage if self._wishes.in_chunks else None)
        return self._envelope.begun[piece.index] + self._members(piece) + end

    @override
    def last(self, usage: Usage) -> bytes:
        return self._envelope.end(usage if self._wishes.at_end else None)

    @override
    def whole(self, pieces: Sequence[ChoicePiece], usage: Usage) -> bytes:
        return self._envelope.body([b'{"index":%d,' % piece.index + self._members(piece) for piece in pieces], usage)

    def _members(self, piece: ChoicePiece) -> bytes:
        """Return a choice's members, or what is new of them; its first piece begins with the prompt if it is echoed."""
        text, entries = piece.text, piece.logprobs
        if self._echoes and piece.index not in self._told_chars:
            text = self._echoes[piece.index] + text
            entries = piece.prompt_logprobs + entries
        begin = self._told_chars.get(piece.index, 0)
        self._told_chars[piece.index] = begin + sum(len(entry.token) for entry in entries)
        told = b"null" if self._logprobs is None or not entries else encode(columns(entries, begin, self._logprobs))
        return b'"text":' + encode(text) + b',"logprobs":' + told + b"," + ending(piece.finish)


def columns(entries: Sequence[PieceLogprob], begin: int, count: int) -> dict[str, list[object]]:
    """Return log-probabilities in columns; ``begin`` is where the first token stands in the choice's text."""
    offsets: list[object] = []
    for entry in entries:
        offsets.append(begin)
        begin += len(entry.token)
    return {
        "tokens": [entry.token for entry in entries],
        "token_logprobs": [finite(entry.logprob) for entry in entries],
        "top_logprobs": [alternatives(entry, count) for entry in entries],
        "text_offset": offsets,
    }


def alternatives(entry: PieceLogprob, count: int) -> dict[str, float | None] | None:
    """Return the ``count`` likeliest tokens and the token itself; None for a prompt's first, which has none.

    Of tokens spelt alike the likeliest counts.
    """
    if entry.logprob is None:
        return None
    spelt: dict[str, float | None] = {}
    likeliest = sorted(entry.top, key=lambda other: -(other.logprob or 0))[:count]
    for other in (*likeliest, entry):
        spelt.setdefault(other.token, finite(other.logprob))
    return spelt
