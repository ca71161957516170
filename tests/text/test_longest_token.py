"""The longest token bounds from below how many tokens a text is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.text.longest_token import longest_token_bytes
from smg.text.tokenizer import Tokenizer
from tests.text.tokenizers_made import byte_level, make_model_dir


def document(**changes):
    """Return the byte-level tokenizer's own document, changed."""
    return json.dumps({**json.loads(byte_level().to_str()), **changes}).encode()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return Tokenizer.load(make_model_dir(tmp_path_factory.mktemp("model")))


@given(text=st.text(max_size=300))
def test_no_text_has_fewer_tokens_than_its_bytes_allow(tokenizer, text):
    """Whatever the text, the special tokens spelt out in it included."""
    for each in (text, text + "<|im_end|>" * 3):
        ids = tokenizer.encode(each, add_special_tokens=False)

        assert len(ids) >= tokenizer.least_tokens(each)


def test_a_long_text_is_known_to_be_long(tokenizer):
    """The bound is within an order of magnitude or two of the truth, and costs nothing."""
    assert tokenizer.least_tokens("x" * 1_000_000) == 1_000_000 // (longest_token_bytes(document()) or 1) > 1_000


def test_an_added_token_may_be_the_longest():
    """It stands for all of its text."""
    added = {"id": 9_999, "content": "<" + "x" * 200 + ">", "lstrip": False, "rstrip": False}

    assert longest_token_bytes(document(added_tokens=[added])) == 202


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"normalizer": {"type": "NFC"}}, id="characters are changed"),
        pytest.param({"pre_tokenizer": {"type": "Whitespace"}}, id="white space is dropped"),
        pytest.param({"pre_tokenizer": None}, id="no bytes"),
        pytest.param(
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [{"type": "Split", "behavior": "Removed"}, {"type": "ByteLevel"}],
                }
            },
            id="a split removes",
        ),
        pytest.param({"added_tokens": [{"content": "<m>", "lstrip": True}]}, id="a token swallows white space"),
        pytest.param({"model": {"type": "Unigram", "vocab": [["a", 0.0]]}}, id="another kind of model"),
        pytest.param({"model": {"type": "BPE", "vocab": {"a": 0}}}, id="bytes without a token"),
    ],
)
def test_what_may_lose_text_has_no_bound(changes):
    """A text of any length could then be a single token."""
    assert longest_token_bytes(document(**changes)) is None


def test_splits_that_keep_everything_do_no_harm():
    """As the tokenizers of today's models have them."""
    split = {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "a"}, "invert": False}
    steps = {"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel"}]}

    assert longest_token_bytes(document(pre_tokenizer=steps)) == longest_token_bytes(document())
