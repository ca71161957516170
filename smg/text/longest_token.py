"""How much text one token can stand for, so that a hopelessly long text is known before it is encoded.

Theory: byte-level BPE loses nothing. Every byte of a text is a byte of exactly one token, so a text of n bytes is at
least n / m tokens, where m is the longest token. To encode a text of tens of megabytes takes seconds and holds the
interpreter for parts of them; where it cannot fit in the model's context anyway, nobody need do so.

Whatever may drop or change characters on the way (a normalizer, a split that removes, an added token that swallows the
white space around it) voids the bound; such a tokenizer has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from smg.text.spelling import ALPHABET

if TYPE_CHECKING:
    from collections.abc import Mapping

KEEPING = frozenset({"ByteLevel", "Digits"})


class _Model(msgspec.Struct):
    type: str | None = None
    vocab: Any = None


class _Document(msgspec.Struct):
    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None
    added_tokens: list[dict[str, Any]] = []
    model: _Model = msgspec.field(default_factory=_Model)


def longest_token_bytes(content: bytes) -> int | None:
    """Return the bytes of the longest token of a ``tokenizer.json``; None where no bound can be given.

    Raises:
        msgspec.MsgspecError: It is not the JSON of a tokenizer.
    """
    told = msgspec.json.decode(content, type=_Document)
    vocabulary = told.model.vocab
    if told.normalizer or not isinstance(vocabulary, dict) or not vocabulary.keys() >= ALPHABET.keys():
        return None
    if not _keeps_all(told.pre_tokenizer or {}) or any(map(_swallows, told.added_tokens)):
        return None
    added = [str(token.get("content", "")).encode() for token in told.added_tokens]
    return max(map(len, [*vocabulary, *added]))


def _keeps_all(step: Mapping[str, Any]) -> bool:
    """Whether a step before the model leaves every byte where it is; true only with a byte-level one among them."""
    steps = step.get("pretokenizers", []) if step.get("type") == "Sequence" else [step]
    keeping = all(each.get("type") in KEEPING or _only_splits(each) for each in steps)
    return keeping and any(each.get("type") == "ByteLevel" for each in steps)


def _only_splits(step: Mapping[str, Any]) -> bool:
    return step.get("type") == "Split" and step.get("behavior") != "Removed"


def _swallows(token: Mapping[str, Any]) -> bool:
    return bool(token.get("lstrip") or token.get("rstrip"))
