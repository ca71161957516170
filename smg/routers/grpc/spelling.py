"""Log-probabilities with the tokens they belong to spelt out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.wire.openai.answer_style import PieceLogprob

if TYPE_CHECKING:
    from smg.core.generation import TokenLogprob
    from smg.text.tokenizer import Tokenizer


class Speller:
    """Puts the text and the bytes of each token beside its id."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def spell(self, entry: TokenLogprob) -> PieceLogprob:
        """Return ``entry`` and its alternatives, spelt."""
        top = [self._word(token_id, logprob, []) for token_id, logprob in entry.top]
        return self._word(entry.token_id, entry.logprob, top)

    def _word(self, token_id: int, logprob: float | None, top: list[PieceLogprob]) -> PieceLogprob:
        return PieceLogprob(
            token=self._tokenizer.token(token_id),
            token_bytes=self._tokenizer.token_bytes(token_id),
            token_id=token_id,
            logprob=logprob,
            top=top,
        )
