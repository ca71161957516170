"""Tests of smg.wire.told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.wire.told import BrokenJsonError, ToldError, told_error

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  ", id="blank"),
        pytest.param(b"all is well", id="text"),
        pytest.param(b"<html></html>", id="html"),
        pytest.param(b'"all is well"', id="a string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[{}]", id="an array"),
        pytest.param(b'{"a":1', id="truncated"),
        pytest.param(b'{"a":1}{"a":1}', id="two documents"),
        pytest.param(b'{"a":1}\n{"a":1}', id="two lines"),
        pytest.param(b'{"a":1,}', id="a comma too many"),
        pytest.param(b'{"a":[NaN]}', id="no number"),
        pytest.param(b'{"a":["\xff\xfe"]}', id="bad utf-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="a surrogate in utf-8"),
        pytest.param(b'{"a":"\xc0\x80"}', id="an overlong form"),
        pytest.param(b'{"a":"\\ud800"}', id="half a pair"),
        pytest.param(b"\xef\xbb\xbf{}", id="a mark before it"),
        pytest.param('{"a":1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="far too deep"),
    ],
)
def test_what_is_no_document_is_refused(document):
    """Whatever is not one object of JSON in UTF-8, to its last byte."""
    with pytest.raises(BrokenJsonError):
        told_error(document)


@given(st.dictionaries(st.text().filter(lambda name: name not in {"error", "object"}), JSON), st.booleans())
def test_every_right_answer_passes(answer, escaped):
    """No object that a JSON writer can write is refused, nor taken for an error."""
    try:
        document = json.dumps(answer, ensure_ascii=escaped).encode()
        json.dumps(answer, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return

    assert told_error(document) is None


@pytest.mark.parametrize("document", [b"[]", b' [\n{"text":"a"},{"text":"b"}]', b'{"a":1e999}', b'\r\n\t {"a":1}\n'])
def test_an_array_will_do_where_it_may(document):
    """Some endpoints answer with one; numbers that no machine holds are JSON all the same."""
    assert told_error(document, or_list=True) is None


@pytest.mark.parametrize("document", [b"[", b"[1,]", b'["\xff"]', b"[1]2"])
def test_a_broken_array_is_refused(document):
    """It is checked like an object."""
    with pytest.raises(BrokenJsonError):
        told_error(document, or_list=True)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        pytest.param(b'{"error":{"message":"x","code":400}}', 400, id="the caller is blamed"),
        pytest.param(b'{"error":{"message":"x","code":429}}', 429, id="busy"),
        pytest.param(b'{"error":{"message":"x","code":500}}', None, id="the engine blames itself"),
        pytest.param(b'{"error":{"message":"x","code":"engine_says_no"}}', None, id="a word"),
        pytest.param(b'{"error":{"message":"x"}}', None, id="no code"),
        pytest.param(b'{"error":"x","code":400}', None, id="a text"),
        pytest.param(b'{"object":"error","message":"x","code":404}', 404, id="flat"),
        pytest.param(b'{"object":"error","message":"x"}', None, id="flat, no code"),
    ],
)
def test_an_error_is_told_by_its_shape(document, status):
    """Both shapes that engines have, with the status only where it blames the caller."""
    assert told_error(document) == ToldError(document, status)


@pytest.mark.parametrize(
    "document",
    [b'{"error":null,"a":1}', b'{"error":{},"a":1}', b'{"a":{"error":{"code":400}}}', b'{"object":"list","code":400}'],
)
def test_the_word_alone_is_no_error(document):
    """An empty one, one further in, and a code elsewhere are none."""
    assert told_error(document) is None
