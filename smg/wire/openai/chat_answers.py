"""Chat completions as engines' own servers answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from smg.wire.openai.answer_style import AnswerStyle, ChoicePiece, PieceLogprob, Usage
from smg.wire.openai.chunks import EVENT_END, NO_USAGE, Envelope, UsageWishes, encode, finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.generation import Finish

NOT_YET: Final = b'"finish_reason":null}'
PLAIN_END = b',"logprobs":null,' + NOT_YET + EVENT_END
"""What follows the text in nearly every event of a stream."""


class ChatStyle(AnswerStyle):
    """Answers of ``/v1/chat/completions``.

    The first chunk of a choice names the role, its last one the reason of its end.

    Attributes:
        answer_id: Sent as it is; by custom it begins with ``chatcmpl-``.
        created: Seconds since 1970.
    """

    def __init__(
        self, answer_id: str, model: str, created: int, *, logprobs: bool = False, usage: UsageWishes = NO_USAGE
    ) -> None:
        self._identity = (answer_id, model, created)
        self._chunk = Envelope("chat.completion.chunk", *self._identity)
        self._logprobs = logprobs
        self._wishes = usage

    @override
    def first(self, index: int, usage: Usage) -> bytes:
        role = b'"delta":{"role":"assistant","content":""}'
        return self._chunk.begun[index] + role + self._end(ChoicePiece(index=index, text=""), usage)

    @override
    def piece(self, piece: ChoicePiece, usage: Usage) -> bytes:
        content = b'"content":' + encode(piece.text) if piece.text or not piece.finish else b""
        return b'%b"delta":{%b}%b' % (self._chunk.begun[piece.index], content, self._end(piece, usage))

    def _end(self, piece: ChoicePiece, usage: Usage) -> bytes:
        """Return what follows the text in an event."""
        if piece.finish is None and not piece.logprobs and not self._wishes.in_chunks:
            return PLAIN_END
        rest = b',"logprobs":' + self._told(piece) + b"," + ending(piece.finish)
        return rest + self._chunk.ended(usage if self._wishes.in_chunks else None)

    @override
    def last(self, usage: Usage) -> bytes:
        return self._chunk.end(usage if self._wishes.at_end else None)

    @override
    def whole(self, pieces: Sequence[ChoicePiece], usage: Usage) -> bytes:
        envelope = Envelope("chat.completion", *self._identity)
        return envelope.body([self._choice(piece) for piece in pieces], usage)

    def _choice(self, piece: ChoicePiece) -> bytes:
        message = b'"message":{"role":"assistant","content":' + encode(piece.text) + b"}"
        return (
            b'{"index":%d,' % piece.index + message + b',"logprobs":' + self._told(piece) + b"," + ending(piece.finish)
        )

    def _told(self, piece: ChoicePiece) -> bytes:
        if not self._logprobs or not piece.logprobs:
            return b"null"
        return encode({"content": [{**token_fields(entry), "top_logprobs": top(entry)} for entry in piece.logprobs]})


def ending(finish: Finish | None) -> bytes:
    """Return the end of a choice's JSON; what was matched goes by SGLang's name for it and by vLLM's."""
    if finish is None:
        return NOT_YET
    matched = encode(finish.matched)
    reason = encode(finish.reason)
    return b'"finish_reason":' + reason + b',"matched_stop":' + matched + b',"stop_reason":' + matched + b"}"


def top(entry: PieceLogprob) -> list[dict[str, object]]:
    """Return the alternatives of one token in the engine's order."""
    return [token_fields(other) for other in entry.top]


def token_fields(entry: PieceLogprob) -> dict[str, object]:
    """Return one token as a chat's log-probabilities tell it."""
    return {"token": entry.token, "logprob": finite(entry.logprob), "bytes": list(entry.token_bytes)}
