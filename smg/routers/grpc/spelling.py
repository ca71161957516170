"""Log-probabilities with the tokens they belong to spelt out.

Theory: where a character is spread over several tokens, some engines' own servers spell those before its last as
nothing and the last one as the whole character, for the token itself and for each of its alternatives: so the tokens
of an answer join to its text. The others spell each part alone, as U+FFFD; the bytes then tell what it is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from smg.text.detokenize import REPLACEMENT
from smg.wire.openai.answer_style import PieceLogprob

if TYPE_CHECKING:
    from smg.core.generation import TokenLogprob
    from smg.text.tokenizer import Tokenizer

TOKENS_OF_A_CHARACTER = 4
"""At most, before its last: no character has more bytes."""


class Speller:
    """Puts the text of each token beside its id; made anew for each text, whose tokens come in their order."""

    def __init__(self, tokenizer: Tokenizer, *, whole: bool) -> None:
        """Begin a text; ``whole`` spells characters at the last of their tokens."""
        self._tokenizer = tokenizer
        self._whole = whole
        self._before: deque[int] = deque(maxlen=TOKENS_OF_A_CHARACTER)

    def spell(self, entry: TokenLogprob) -> PieceLogprob:
        """Return ``entry``, the text's next token, and its alternatives, spelt."""
        top = [self._word(token_id, logprob, []) for token_id, logprob in entry.top]
        word = self._word(entry.token_id, entry.logprob, top)
        self._before.append(entry.token_id)
        return word

    def _word(self, token_id: int, logprob: float | None, top: list[PieceLogprob]) -> PieceLogprob:
        spelt = self._tokenizer.token_bytes(token_id)
        text = spelt.decode(errors="replace")
        if self._whole:
            text = self._completed(spelt) if text.endswith(REPLACEMENT) else text
            spelt = text.encode()
        return PieceLogprob(token=text, token_bytes=spelt, token_id=token_id, logprob=logprob, top=top)

    def _completed(self, spelt: bytes) -> str:
        """Return what a token says together with those before it; nothing if its character goes on."""
        for before in reversed(self._before):
            spelt = self._tokenizer.token_bytes(before) + spelt
            text = spelt.decode(errors="replace")
            if not text.endswith(REPLACEMENT):
                return text
        return ""
