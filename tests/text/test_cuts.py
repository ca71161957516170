"""Where texts may be cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Library

from smg.text import cuts
from smg.text.cuts import Cuts
from tests.text import tokenizers_made

if TYPE_CHECKING:
    from collections.abc import Callable

FEW = 3
"""Characters of a piece here, so that short texts have many."""

WORDS = "<[im_start]>", "<[im_end]>", "<[pad]>", "[/x]", "[CLS]", "<s>", "</s>", "<|im_start|>", "<|im_end|>"
TEXTS = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(["a", " ", "▁", "<", "[", "user\n", "é", "  b"]) | st.text("<s|im_>ab ")
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pieces be short."""
    monkeypatch.setattr(cuts, "PIECE_CHARS", FEW)


def unigram(*added: AddedToken) -> Library:
    """A tokenizer that marks where a whole text begins, and nothing else, as newer Llama-like ones do."""
    letters = [("<unk>", -9.0), ("▁", -2.0), *((letter, -3.0) for letter in "abemnptuimsr_")]
    made = Library(models.Unigram(letters, unk_id=0))
    made.normalizer = normalizers.Strip()
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.add_special_tokens(["<[im_start]>", "<[im_end]>"])
    made.add_tokens(list(added))
    return made


MADE: dict[str, Callable[[], Library]] = {
    "byte_level": tokenizers_made.byte_level,
    "byte_fallback": tokenizers_made.byte_fallback,
    "metaspace": tokenizers_made.metaspace,
    "word_piece": tokenizers_made.word_piece,
    "first": unigram,
    "greedy": lambda: unigram(AddedToken("<[pad]>", rstrip=True, normalized=False)),
    "looking back": lambda: unigram(AddedToken("<[pad]>", lstrip=True, normalized=False)),
    "whole words": lambda: unigram(AddedToken("a<", single_word=True, normalized=False)),
    "changed first": lambda: unigram(AddedToken("<[pad]>", normalized=True)),
    "reaching in": lambda: unigram(AddedToken("a<[i", normalized=False)),
    "beginning alike": lambda: unigram(AddedToken("<[im_start]>a", normalized=False)),
}


@pytest.fixture(scope="module", params=sorted(MADE))
def library(request: pytest.FixtureRequest) -> Library:
    """One tokenizer of each kind."""
    return MADE[request.param]()


def ids(library: Library, text: str) -> list[int]:
    """Return the ids of a text."""
    found: list[int] = library.encode(text, add_special_tokens=False).ids
    return found


@settings(max_examples=400, deadline=None)
@given(parts=TEXTS)
def test_pieces_have_the_ids_of_the_whole(library: Library, parts: list[str]) -> None:
    """Whatever a text is made of, its pieces are the text, and their ids are its ids."""
    text = "".join(parts)
    pieces = Cuts(library.get_added_tokens_decoder().values(), WORDS).pieces(text)

    assert "".join(pieces) == text
    assert [one for piece in pieces for one in ids(library, piece)] == ids(library, text)
    assert all(len(piece) >= FEW for piece in pieces[:-1])


def test_texts_that_begin_alike_have_the_same_first_pieces() -> None:
    """What follows does not decide where the beginning is cut."""
    library = tokenizers_made.byte_level()
    cut = Cuts(library.get_added_tokens_decoder().values(), WORDS)
    begin = "<|im_start|>system\nBe nice.<|im_end|>\n<|im_start|>user\nHello"

    short, long = cut.pieces(begin + "!<|im_end|>"), cut.pieces(begin + " there.<|im_end|>\n<|im_start|>assistant\n")

    assert short[:2] == long[:2] == ["<|im_start|>system\nBe nice.", "<|im_end|>\n"]


@pytest.mark.parametrize("kind", ["looking back", "whole words", "changed first", "reaching in"])
def test_unsafe_tokens_are_known(kind: str) -> None:
    """A token that another may reach into, or that looks at what stands before it, is nowhere to cut."""
    cut = Cuts(MADE[kind]().get_added_tokens_decoder().values(), WORDS)

    assert len(cut.pieces("aaaaaaa <[im_start]>aaaaaaa<[pad]>aaa")) == 1


def test_only_tokens_that_the_model_uses_are_looked_for() -> None:
    """A vocabulary may hold thousands of added tokens that no template writes."""
    added = [AddedToken(f"<{number}>", normalized=False) for number in range(5000)]

    assert Cuts(added, ["{{ '<7>' + message + '<8>' }}"]).pieces("aaaa<7>bbbb<9>cccc<8>dddd") == [
        "aaaa",
        "<7>bbbb<9>cccc",
        "<8>dddd",
    ]


def test_a_tokenizer_without_added_tokens_cuts_nowhere() -> None:
    """There is nothing that could not be joined to what stands before it."""
    assert Cuts([], WORDS).pieces("aaaa<s>bbbb") == ["aaaa<s>bbbb"]
