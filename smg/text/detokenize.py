"""Token ids to text while they arrive: nothing is shown before it is sure.

Theory: in most vocabularies a text is the concatenation of its tokens' bytes, so an incremental UTF-8 decoder over
them is exact, and fast. In the others what a token adds depends on its neighbours: there the library decodes a
short window of tokens twice, without and with the new ones, and what the second text has more is new. The window
begins at tokens already shown and so settles what the new ones begin with (a space, or none).

In both ways a token that leaves a character unfinished waits, whole, for the tokens that finish it: so do the
engines' own servers, which show nothing whose end is U+FFFD. At the end of an answer some of them show what waits,
others drop it.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.text.tokenizer import Tokenizer

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
# a character has four bytes at most: a longer wait is for something that will never be whole
HELD_TOKENS_AT_MOST: Final = 8
CONTEXT_TOKENS: Final = 5

_utf8: Final = codecs.getincrementaldecoder("utf-8")


class Detokenizer:
    """One answer's way from ids to text.

    All pushes and ``finish`` together give ``tokenizer.decode`` of all ids, whatever the chunks; only bytes that
    spell no character may show as another number of U+FFFD.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, skip_special_tokens: bool, broken_end: bool = True, after: Sequence[int] = ()
    ) -> None:
        """Begin an answer.

        Args:
            tokenizer: The model's.
            skip_special_tokens: Leave special tokens out of the text.
            broken_end: Whether ``finish`` shows the tokens whose last character was never completed.
            after: The prompt's ids, of which the last few are read: where words carry their space in front, an
                answer that goes on after a prompt begins with it. Without them it begins like a text of its own.
        """
        self._hidden = tokenizer.special_ids if skip_special_tokens else frozenset()
        self._broken_end = broken_end
        self._waiting: list[str] = []
        road = _JoinedBytes if tokenizer.spelling.joins else _Window
        self._road: _JoinedBytes | _Window = road(tokenizer, self._spoken(after[-CONTEXT_TOKENS:]))

    def push(self, ids: Sequence[int]) -> str:
        """Return the text that ``ids`` make sure of; often shorter or longer than the tokens themselves."""
        if len(ids) == 1:
            return self._push_one(ids[0])
        return "".join(map(self._push_one, ids))

    def finish(self) -> str:
        """Return what was held back, with U+FFFD for a character that was never completed; nothing if it is dropped."""
        rest = self._road.finish()
        waiting, self._waiting = self._waiting, []
        return "".join(waiting) + rest if self._broken_end else ""

    def _push_one(self, token_id: int) -> str:
        if token_id in self._hidden:
            return ""
        text = self._road.push(token_id)
        if self._road.unfinished or text.endswith(REPLACEMENT):
            self._waiting.append(text)
            return ""
        if not self._waiting:
            return text
        self._waiting.append(text)
        text = "".join(self._waiting)
        self._waiting.clear()
        return text

    def _spoken(self, ids: Sequence[int]) -> Sequence[int]:
        return [token_id for token_id in ids if token_id not in self._hidden]


class _JoinedBytes:
    """For vocabularies whose tokens' bytes stand one after another in the text."""

    unfinished = False
    """Whether the last bytes are the beginning of a character."""

    def __init__(self, tokenizer: Tokenizer, after: Sequence[int]) -> None:
        self._bytes = tokenizer.token_bytes
        self._whole_texts = tokenizer.whole_texts
        self._decoder = _utf8("replace")
        self._spaces = 0 if after else tokenizer.spelling.stripped_spaces

    def push(self, token_id: int) -> str:
        text = None if self.unfinished else self._whole_texts[token_id]
        if text is None:
            text = self._decoder.decode(self._bytes(token_id))
            self.unfinished = bool(self._decoder.getstate()[0])
        return self._without_first_spaces(text) if self._spaces and text else text

    def finish(self) -> str:
        self.unfinished = False
        return self._decoder.decode(b"", final=True)

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

    @property
    def unfinished(self) -> bool:
        """Whether tokens wait for their text."""
        return bool(self._held)

    def push(self, token_id: int) -> str:
        if not self._tokenizer.token_bytes(token_id):
            return ""
        self._held.append(token_id)
        new = self._new_text()
        if not new or (new.endswith(REPLACEMENT) and len(self._held) < HELD_TOKENS_AT_MOST):
            return ""
        self._shown, self._held = self._held, []
        return new

    def finish(self) -> str:
        return self._new_text()

    def _new_text(self) -> str:
        before = self._decode(self._shown)
        return self._decode(self._shown + self._held)[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)
