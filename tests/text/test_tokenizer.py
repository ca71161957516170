"""The tokenizer and what its files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.text.errors import TokenizerError
from smg.text.tokenizer import Tokenizer
from tests.text import tokenizers_made
from tests.text.conftest import FAMILIES

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40))
def test_byte_level_tokens_spell_any_text(tokenizer: Tokenizer, text: str) -> None:
    """The bytes of a text's tokens, one after another, are the text's bytes."""
    ids = tokenizer.encode(text, add_special_tokens=False)

    assert b"".join(tokenizer.token_bytes(token_id) for token_id in ids) == text.encode()
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_everything_is_read_from_a_model_directory(tmp_path: Path) -> None:
    """End-of-text ids are gathered from all files, defaults and context come from theirs."""
    path = tokenizers_made.make_model_dir(tmp_path, context_length=777, eos=("<|im_end|>", "<|endoftext|>"))
    tokenizer = Tokenizer.load(path)

    assert tokenizer.eos_token_ids == {0, 2}
    assert tokenizer.context_length == 777
    assert tokenizer.sampling_defaults == {"temperature": 0.7, "top_p": 0.9}
    assert tokenizer.special_tokens == {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    assert tokenizer.template is not None
    assert tokenizer.vocab_size == tokenizers_made.byte_level().get_vocab_size()
    assert "context_length=777" in repr(tokenizer)


def test_single_file_is_a_tokenizer_without_opinions(model_dir: Path) -> None:
    """A bare ``tokenizer.json`` has no template, no defaults and no known context."""
    tokenizer = Tokenizer.load(model_dir / "tokenizer.json")

    assert tokenizer.template is None
    assert tokenizer.context_length is None
    assert tokenizer.eos_token_ids == frozenset()
    assert tokenizer.sampling_defaults == {}


def test_special_tokens_frame_a_text_when_asked_for(families: dict[str, Tokenizer]) -> None:
    """``add_special_tokens`` puts the model's opening token in front."""
    tokenizer = families["byte_fallback"]
    plain = tokenizer.encode("Hello", add_special_tokens=False)

    assert tokenizer.encode("Hello", add_special_tokens=True) == [1, *plain]
    assert 1 in tokenizer.special_ids
    assert tokenizer.special_ids.isdisjoint(plain)


@pytest.mark.parametrize(
    ("family", "name", "spelt"),
    [
        ("byte_level", "Ġthe", b" the"),
        ("byte_level", "Ã", b"\xc3"),
        ("byte_level", "<|im_end|>", b"<|im_end|>"),
        ("byte_fallback", "<0x0A>", b"\n"),
        ("byte_fallback", "▁Hello", b" Hello"),
        ("metaspace", "▁dog", b" dog"),
        ("word_piece", "##e", b"e"),
        ("word_piece", "dog", b"dog"),
    ],
)
def test_token_shows_its_raw_bytes(families: dict[str, Tokenizer], family: str, name: str, spelt: bytes) -> None:
    """Log-probabilities name a token by its text and its bytes, whatever its vocabulary writes."""
    token_id = FAMILIES[family]().token_to_id(name)

    assert token_id is not None
    assert families[family].token_bytes(token_id) == spelt
    assert families[family].token(token_id) == spelt.decode(errors="replace")


@pytest.mark.parametrize("token_id", [-1, 10_000, 2**40])
def test_id_outside_the_vocabulary_has_no_bytes(tokenizer: Tokenizer, token_id: int) -> None:
    """Engines with padded vocabularies may send such ids."""
    assert tokenizer.token_bytes(token_id) == b""
    assert tokenizer.token(token_id) == ""


def test_a_token_inside_a_character_is_no_text_by_itself(families: dict[str, Tokenizer]) -> None:
    """What begins and ends with whole characters is; it is worked out once."""
    tokenizer = families["byte_level"]
    the, *_, last = tokenizer.encode(" the🚀", add_special_tokens=False)

    assert (tokenizer.whole_texts[the], tokenizer.whole_texts[last]) == (" the", None)
    assert tokenizer.whole_texts[the] is tokenizer.whole_texts[the]


def test_no_more_texts_are_remembered_than_there_are_tokens(tokenizer: Tokenizer) -> None:
    """Ids outside the vocabulary are nothing, each time anew."""
    outside = [-1, tokenizer.vocab_size, 2**31]

    assert [tokenizer.whole_texts[token_id] for token_id in outside] == ["", "", ""]
    assert tokenizer.whole_texts.keys().isdisjoint(outside)


def test_text_and_ids_out_of_range_are_refused(tokenizer: Tokenizer) -> None:
    """Half a surrogate pair and ids beyond 32 bits are the caller's fault, not a crash."""
    with pytest.raises(TokenizerError, match="unicode"):
        tokenizer.encode("a\ud800", add_special_tokens=False)
    with pytest.raises(TokenizerError, match="range"):
        tokenizer.decode([2**40], skip_special_tokens=True)


def test_end_token_named_in_the_config_is_special(tmp_path: Path) -> None:
    """A token the configuration names is left out of answers even if ``tokenizer.json`` calls it ordinary."""
    made = tokenizers_made.byte_level()
    made.add_tokens([tokenizers.AddedToken("<end>", special=False, normalized=False)])
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizers_made.write_json(tmp_path / "tokenizer_config.json", {"eos_token": "<end>", "bos_token": "<absent>"})
    tokenizer = Tokenizer.load(tmp_path)
    (token_id,) = tokenizer.eos_token_ids

    assert token_id in tokenizer.special_ids
    assert tokenizer.decode([token_id], skip_special_tokens=True) == ""
    assert tokenizer.encode("<absent>", add_special_tokens=False)[0] < tokenizer.vocab_size


def test_truncation_and_padding_of_the_file_are_off(tmp_path: Path) -> None:
    """A tokenizer saved with a limit does not cut prompts silently."""
    made = tokenizers_made.byte_level()
    made.enable_truncation(2)
    made.enable_padding(length=8)
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path)

    assert len(tokenizer.encode("a b c d e f g h i j", add_special_tokens=False)) > 8
    assert len(tokenizer.encode("a", add_special_tokens=False)) == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "None"}}', '{"model":' + '{"a":' * 5000])
def test_broken_file_is_named(tmp_path: Path, content: str) -> None:
    """What is no tokenizer is refused with the file's name."""
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")

    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_same_files_have_the_same_fingerprint(tmp_path: Path) -> None:
    """The fingerprint follows the contents, not the place."""
    first = tokenizers_made.make_model_dir(tmp_path / "first")
    second = tokenizers_made.make_model_dir(tmp_path / "second")
    third = tokenizers_made.make_model_dir(tmp_path / "third", context_length=4097)
    prints = [Tokenizer.load(path).fingerprint for path in (first, second, third)]

    assert prints[0] == prints[1] != prints[2]
