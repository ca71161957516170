"""Incremental detokenization: the same text as all at once, no character split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models

from smg.text.detokenize import Detokenizer
from smg.text.tokenizer import Tokenizer
from tests.text.conftest import FAMILIES

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.one_of(st.text(max_size=30), st.text(alphabet="ab Thedog.,!'é東🙂👍🏽\u200d \n▁#", max_size=30))
CUTS = st.lists(st.integers(1, 5), max_size=60)


def shown(detokenizer: Detokenizer, ids: list[int], sizes: list[int]) -> list[str]:
    """Push ``ids`` in chunks of ``sizes``, then the rest one by one, then finish."""
    pieces = []
    for size in [*sizes, *[1] * len(ids)]:
        pieces.append(detokenizer.push(ids[:size]))
        ids = ids[size:]
    return [*pieces, detokenizer.finish()]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=100, deadline=None)
@given(text=TEXTS, sizes=CUTS, skip=st.booleans(), special=st.booleans())
def test_text_comes_out_as_all_at_once(
    families: dict[str, Tokenizer], family: str, text: str, sizes: list[int], skip: bool, special: bool
) -> None:
    """Chunks of any size give what ``decode`` gives for all ids, for every decoder family."""
    tokenizer = families[family]
    ids = tokenizer.encode(text, add_special_tokens=special)
    pieces = shown(Detokenizer(tokenizer, skip_special_tokens=skip), ids, sizes)

    assert tokenizer.decode(ids, skip_special_tokens=skip) == "".join(pieces)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), sizes=CUTS, skip=st.booleans())
def test_any_ids_come_out_as_all_at_once(
    families: dict[str, Tokenizer], family: str, data: st.DataObject, sizes: list[int], skip: bool
) -> None:
    """Even ids no text would give: as ``decode``, where that shows no broken character."""
    tokenizer = families[family]
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size + 3), max_size=25))
    whole = tokenizer.decode(ids, skip_special_tokens=skip)
    text = "".join(shown(Detokenizer(tokenizer, skip_special_tokens=skip), ids, sizes))

    if family == "byte_level" or "\ufffd" not in whole:
        assert whole == text
    else:
        assert "\ufffd" in text


@pytest.mark.parametrize("family", ["byte_level", "byte_fallback"])
@settings(max_examples=50, deadline=None)
@given(text=TEXTS)
def test_no_character_is_split(families: dict[str, Tokenizer], family: str, text: str) -> None:
    """A piece never shows half a character, and everything is shown once its last byte is there."""
    tokenizer = families[family]
    ids = tokenizer.encode(text, add_special_tokens=False)
    detokenizer = Detokenizer(tokenizer, skip_special_tokens=True)
    pieces = [detokenizer.push([token_id]) for token_id in ids]

    assert text.count("\ufffd") == "".join(pieces).count("\ufffd")
    assert detokenizer.finish() == ""


def test_cut_character_is_flushed_at_the_end(tokenizer: Tokenizer) -> None:
    """An answer cut inside a character ends in U+FFFD, as ``decode`` has it."""
    ids = tokenizer.encode("ok 🚀", add_special_tokens=False)[:-1]
    detokenizer = Detokenizer(tokenizer, skip_special_tokens=True)

    assert detokenizer.push(ids) == "ok"
    assert detokenizer.finish() == " \ufffd"
    assert detokenizer.finish() == ""


def test_cut_character_is_dropped_where_the_engine_drops_it(tokenizer: Tokenizer) -> None:
    """Without ``broken_end`` the tokens of an unfinished character are never shown, nor a run of U+FFFD at the end."""
    ids = tokenizer.encode("ok 🚀", add_special_tokens=False)[:-1]
    lone = tokenizer.encode("🚀", add_special_tokens=False)[-1]

    for end, text in ((ids, "ok"), ([*ids, lone, lone, lone], "ok 🚀")):
        detokenizer = Detokenizer(tokenizer, skip_special_tokens=True, broken_end=False)
        assert detokenizer.push(end) + detokenizer.finish() == text


@pytest.mark.parametrize("family", ["byte_level", "byte_fallback"])
@settings(max_examples=100, deadline=None)
@given(text=TEXTS, cut=st.integers(0, 3))
def test_cut_text_is_that_of_the_library_s_own_stream(
    families: dict[str, Tokenizer], family: str, text: str, cut: int
) -> None:
    """Without ``broken_end`` a text cut anywhere gives what ``DecodeStream`` gives, which vLLM's own server uses."""
    tokenizer = families[family]
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert_as_the_library(tokenizer, ids[: max(len(ids) - cut, 0)])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_ids_are_shown_as_by_the_library_s_own_stream(families: dict[str, Tokenizer], data: st.DataObject) -> None:
    """The same for ids that no text would give, where the library's stream can decode them."""
    tokenizer = families["byte_level"]
    assert_as_the_library(tokenizer, data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=25)))


def assert_as_the_library(tokenizer: Tokenizer, ids: list[int]) -> None:
    prompt = tokenizer.encode("Hello", add_special_tokens=False)
    stream = decoders.DecodeStream(ids=prompt, skip_special_tokens=True)
    theirs = "".join(stream.step(tokenizer._library, token_id) or "" for token_id in ids)
    ours = Detokenizer(tokenizer, skip_special_tokens=True, broken_end=False, after=prompt)

    assert ours.push(ids) + ours.finish() == theirs


def test_special_tokens_show_when_asked_for(tokenizer: Tokenizer) -> None:
    """``skip_special_tokens`` decides whether ``<|im_end|>`` is text."""
    ids = tokenizer.encode("a<|im_end|>", add_special_tokens=False)

    assert Detokenizer(tokenizer, skip_special_tokens=True).push(ids) == "a"
    assert Detokenizer(tokenizer, skip_special_tokens=False).push(ids) == "a<|im_end|>"


@pytest.mark.parametrize("family", ["byte_fallback", "metaspace"])
def test_answer_after_a_prompt_keeps_its_first_space(families: dict[str, Tokenizer], family: str) -> None:
    """Where words carry their space in front, an answer that goes on after a prompt begins with it."""
    tokenizer = families[family]
    prompt = tokenizer.encode("Hello", add_special_tokens=False)
    ids = tokenizer.encode("dog", add_special_tokens=False)

    assert Detokenizer(tokenizer, skip_special_tokens=True).push(ids) == "dog"
    assert Detokenizer(tokenizer, skip_special_tokens=True, after=prompt).push(ids) == " dog"


def test_replacement_characters_wait_for_what_follows(tmp_path: Path) -> None:
    """A text of U+FFFD itself is shown with the first other token, and at the end."""
    made = tokenizers.Tokenizer(models.WordLevel({"\ufffd": 0, "?": 1}, unk_token="?"))
    made.decoder = decoders.Fuse()
    made.save(str(tmp_path / "tokenizer.json"))
    detokenizer = Detokenizer(Tokenizer.load(tmp_path), skip_special_tokens=True)

    assert [detokenizer.push([token]) for token in (0, 0, 1, 0)] == ["", "", "\ufffd\ufffd?", ""]
    assert detokenizer.finish() == "\ufffd"
