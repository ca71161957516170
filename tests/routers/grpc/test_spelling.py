"""Log-probabilities spelt out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.generation import TokenLogprob
from smg.routers.grpc.spelling import Speller

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer

TEXT = "a🚀 é"


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def test_parts_of_a_character_are_spelt_with_the_last(tokenizer: Tokenizer) -> None:
    """Tokens join to the text, and say the same in bytes."""
    speller = Speller(tokenizer, whole=True)
    words = [speller.spell(TokenLogprob(token_id, -1.0)) for token_id in ids_of(tokenizer, TEXT)]

    assert [word.token for word in words if word.token][:2] == ["a", "🚀"]
    assert "".join(word.token for word in words) == TEXT
    assert all(word.token_bytes == word.token.encode() for word in words)


def test_parts_of_a_character_are_spelt_alone(tokenizer: Tokenizer) -> None:
    """Then only the bytes join to the text."""
    speller = Speller(tokenizer, whole=False)
    words = [speller.spell(TokenLogprob(token_id, -1.0)) for token_id in ids_of(tokenizer, TEXT)]

    assert "\ufffd" in [word.token for word in words]
    assert b"".join(word.token_bytes for word in words) == TEXT.encode()


def test_alternatives_are_spelt_in_the_token_s_place(tokenizer: Tokenizer) -> None:
    """An alternative that would complete the character says all of it, one that would not says nothing."""
    *begun, last = ids_of(tokenizer, "🚀")
    speller = Speller(tokenizer, whole=True)
    for token_id in begun:
        speller.spell(TokenLogprob(token_id, -1.0))
    word = speller.spell(TokenLogprob(last, -1.0, ((begun[0], -2.0), (last, -1.0))))

    assert [top.token for top in word.top] == ["", "🚀"]


def test_a_byte_that_begins_nothing_is_nothing(tokenizer: Tokenizer) -> None:
    """It stays so whatever came before."""
    *_, last = ids_of(tokenizer, "🚀")
    speller = Speller(tokenizer, whole=True)

    assert [speller.spell(TokenLogprob(last, -1.0)).token for _ in range(6)] == [""] * 6
