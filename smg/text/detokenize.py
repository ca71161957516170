"""Token ids to text while they arrive: nothing is shown before it is sure.

Theory: in most vocabularies a text is the concatenation of its tokens' bytes, so an incremental UTF-8 decoder over
them is exact, and fast. In the others what a token adds depends on its neighbours: there the library decodes a
short window of tokens twice, without and with the new ones, and what the second text has more is new. The window
begins at tokens already shown and so settles what the new ones begin with (a space, or none).

In both ways a character whose bytes are spread over several tokens waits for the last of them.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.text.tokenizer import Tokenizer

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# a character has four bytes at most: a longer wait is for something that will never be whole
HELD_TOKENS_AT_MOST = 8
CONTEXT_TOKENS = 5

_utf8 = codecs.getincrementaldecoder("utf-8")


class Detokenizer:
    """One answer's way from ids to text.

    All pushes and ``finish`` together give ``tokenizer.decode`` of all ids, whatever the chunks; only bytes that
    spell no character may show as another number of U+FFFD.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special_tokens: bool, after: Sequence[int] = ()) -> None:
        """Begin an answer.

        Args:
            tokenizer: The model's.
            skip_special_tokens: Leave special tokens out of the text.
            after: The prompt's ids, of which the last few are read: where words carry their space in front, an
                answer that goes on after a prompt begins with it. Without them it begins like a text of its own.
        """
        self._tokenizer = tokenizer
        self._skip = skip_special_tokens
        road = _JoinedBytes if tokenizer.spelling.joins else _Window
        self._road: _JoinedBytes | _Window = road(tokenizer, self._spoken(after[-CONTEXT_TOKENS:]))

    def push(self, ids: Sequence[int]) -> str:
        """Return the text that ``ids`` make sure of; often shorter or longer than the tokens themselves."""
        return self._road.push(self._spoken(ids))

    def finish(self) -> str:
        """Return what was held back, with U+FFFD for a character that was never completed."""
        return self._road.finish()

    def _spoken(self, ids: Sequence[int]) -> Sequence[int]:
        special = self._tokenizer.is_special
        return [token_id for token_id in ids if not special(token_id)] if self._skip else ids


class _JoinedBytes:
    """For vocabularies whose tokens' bytes stand one after another in the text."""

    def __init__(self, tokenizer: Tokenizer, after: Sequence[int]) -> None:
        self._bytes = tokenizer.token_bytes
        self._decode = _utf8("replace").decode
        self._spaces = 0 if after else tokenizer.spelling.stripped_spaces

    def push(self, ids: Sequence[int]) -> str:
        text = self._decode(b"".join(map(self._bytes, ids)))
        return self._without_first_spaces(text) if self._spaces and text else text

    def finish(self) -> str:
        return self._decode(b"", final=True)

    def _without_first_spaces(self, text: str) -> str:
        kept = text.removeprefix(" ")
        self._spaces = self._spaces - 1 if kept != text else 0
        return self._without_first_spaces(kept) if self._spaces and kept else kept


class _Window:
    """For vocabularies in which only the library knows what stands between two tokens."""

    def __init__(self, tokenizer: Tokenizer, after: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._shown = list(after)
        self._held: list[int] = []

    def push(self, ids: Sequence[int]) -> str:
        return "".join([self._push_one(token_id) for token_id in ids])

    def finish(self) -> str:
        return self._new_text()

    def _push_one(self, token_id: int) -> str:
        if not self._tokenizer.token_bytes(token_id):
            return ""
        self._held.append(token_id)
        new = self._new_text()
        if not new or (new.endswith(REPLACEMENT) and len(self._held) < HELD_TOKENS_AT_MOST):
            return ""
        self._shown, self._held = self._held, []
        return new

    def _new_text(self) -> str:
        before = self._decode(self._shown)
        return self._decode(self._shown + self._held)[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)
