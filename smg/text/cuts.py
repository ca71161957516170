"""Where a text may be cut so that the ids of its pieces, one after another, are the ids of the whole.

Theory: a tokenizer takes its added tokens out of a text first and encodes what stands between two of them by itself.
So a text may be cut in front of one, if the same token is found there whatever stands before: no other may reach into
it, and it must neither take the spaces before it nor ask what they are. The turns of a conversation are such pieces,
and those that were encoded for the last turn need not be encoded for the next.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tokenizers import AddedToken

PIECE_CHARS = 512
"""A piece is at least so long, but for the last: what is remembered of a shorter one takes more than it saves."""

NOWHERE = re.compile(r"(?!)")


class Cuts:
    """The cuts of one tokenizer's texts."""

    def __init__(self, added: Collection[AddedToken], used: Collection[str]) -> None:
        """Cut before those of the ``added`` tokens that stand in one of ``used``, the texts that write them."""
        wanted = [content for content in _safe(added) if any(content in text for text in used)]
        self._before = re.compile("|".join(map(re.escape, wanted))) if wanted else NOWHERE

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of ``text``, which begin alike in all texts that begin alike."""
        if len(text) <= PIECE_CHARS:
            return [text]
        return [text[begin:end] for begin, end in pairwise((*self._begins(text), len(text)))]

    def _begins(self, text: str) -> Iterator[int]:
        yield 0
        at = 0
        while found := self._before.search(text, at + PIECE_CHARS):
            at = found.start()
            yield at


def _safe(added: Collection[AddedToken]) -> list[str]:
    """Return those that are found whatever stands before them; none where one asks for the edges of a word."""
    if any(token.single_word for token in added):
        return []
    barred = set("".join(token.content if _looks_back(token) else token.content[1:] for token in added))
    return [token.content for token in added if token.content[:1] not in {"", *barred}]


def _looks_back(token: AddedToken) -> bool:
    """Tell whether what stands before a token, or becomes of it, decides on its being found."""
    return token.lstrip or token.normalized
