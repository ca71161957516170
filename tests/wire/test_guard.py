"""Tests of smg.wire.guard."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from smg.core.errors import InvalidJsonError
from smg.wire.guard import FREE_QUOTES, LONG_BYTES, check_exactly, check_json, without_long_strings
from smg.wire.shapes import JsonLimits

LIMITS = JsonLimits()
BIG = 8_000_000

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\[]{},: é\n\t\r\b\f')),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('k"\\{,')), inner, max_size=4),
    max_leaves=20,
)


def depth(value: object) -> int:
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((depth(item) for item in inner), default=0)


def nodes(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + nodes(item) for item in value.values())
    return 1 + sum(map(nodes, value)) if isinstance(value, list) else 1


def accepts(body: bytes, limits: JsonLimits) -> bool:
    try:
        _ = list(check_exactly(body, limits))
    except InvalidJsonError:
        return False
    return True


def passes(body: bytes, limits: JsonLimits) -> bool:
    try:
        check_json(body, limits)
    except InvalidJsonError:
        return False
    return True


@given(values, st.booleans(), st.integers(1, 6), st.integers(1, 30))
def test_counts_depth_and_nodes_as_a_walk_over_the_decoded_value_does(
    value: object, spaced: bool, max_depth: int, max_nodes: int
) -> None:
    """Strings, escapes and spaces never change what is counted."""
    body = json.dumps(value, indent=1 if spaced else None, ensure_ascii=spaced).encode()
    limits = JsonLimits(max_depth=max_depth, max_nodes=max_nodes)

    assert accepts(body, limits) == (depth(value) <= max_depth and nodes(value) <= max_nodes)


@given(values, st.booleans(), st.integers(1, 6), st.integers(1, 30))
def test_long_bodies_are_counted_alike(value: object, spaced: bool, max_depth: int, max_nodes: int) -> None:
    """What is left out of a long body, plain bytes or whole strings, changes no count."""
    body = json.dumps(
        {"long": "x" * LONG_BYTES, "v": value}, indent=1 if spaced else None, ensure_ascii=spaced
    ).encode()
    limits = JsonLimits(max_depth=max_depth + 1, max_nodes=max_nodes + 4)

    assert passes(body, limits) == (depth(value) <= max_depth and nodes(value) <= max_nodes)


@pytest.mark.parametrize("many", [b'"x",', b'"a\\"b",', b'"",'])
@given(values)
def test_long_bodies_of_many_strings_are_counted_alike(many: bytes, value: object) -> None:
    """Where quotes are no longer rare, strings stay, and bytes that never count go."""
    some = LONG_BYTES // len(many)
    body = b"[" + many * some + json.dumps(value, ensure_ascii=False).encode() + b"]"
    limits = JsonLimits(max_depth=1 + max(1, depth(value)), max_nodes=1 + some + nodes(value))

    assert passes(body, limits)
    assert not passes(body, JsonLimits(max_depth=limits.max_depth, max_nodes=limits.max_nodes - 1))


@given(values)
def test_emptied_strings_leave_all_else(value: object) -> None:
    """Every string, however it is escaped, is cut at its own quotes."""
    body = json.dumps(["x" * LONG_BYTES, value, ""], ensure_ascii=False).encode()
    assume(body.count(b'"') <= FREE_QUOTES)

    assert json.loads(without_long_strings(body), object_pairs_hook=list) == ["", emptied(value), ""]


def emptied(value: object) -> object:
    """Return a value with nothing in its strings, and pairs in place of objects."""
    if isinstance(value, dict):
        return [("", emptied(item)) for item in value.values()]
    if isinstance(value, list):
        return [emptied(item) for item in value]
    return "" if isinstance(value, str) else value


@pytest.mark.parametrize("value", [["a"], {"a": ["b"]}, [[""], [[]]]])
def test_an_array_of_one_string_is_not_empty(value: object) -> None:
    """The string in it is a value."""
    body = json.dumps(value).encode()

    assert accepts(body, JsonLimits(max_nodes=nodes(value)))
    assert not accepts(body, JsonLimits(max_nodes=nodes(value) - 1))


@given(values)
def test_quick_bounds_never_refuse_what_is_within_limits(value: object) -> None:
    """The cheap bounds decide only in the body's favour, so both ways agree."""
    body = json.dumps(value).encode()
    limits = JsonLimits(max_depth=max(1, depth(value)), max_nodes=nodes(value))

    assert check_json(body, limits) >= nodes(value)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        pytest.param(b"[" * 64 + b"]" * 64, True, id="64 arrays"),
        pytest.param(b"[" * 65 + b"]" * 65, False, id="65 arrays"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, False, id="65 objects"),
        pytest.param(b"[" * 2_000 + b"]" * 2_000, False, id="2000 arrays"),
        pytest.param(b"[" * 100_000, False, id="100000 arrays, none closed"),
        pytest.param(b'{"a":"' + b"[" * 1_000 + b'"}', True, id="brackets in a string"),
        pytest.param(b'{"a":"\\"' + b"[" * 1_000 + b'"}', True, id="brackets behind an escaped quote"),
        pytest.param(b'{"a":"\\\\",' + b'"b":' + b"[" * 65 + b"]" * 65 + b"}", False, id="backslash before the quote"),
        pytest.param(b"[" + b"1," * 199_998 + b"1]", True, id="200000 values"),
        pytest.param(b"[" + b"1," * 199_999 + b"1]", False, id="200001 values"),
        pytest.param(b"[" + b"[]," * 150_000 + b"[]]", True, id="150000 empty arrays"),
        pytest.param(b"[" + b'"a",' * 250_000 + b'"a"]', False, id="250000 strings"),
        pytest.param(b"[]" * 250_000, False, id="more opens than nodes, which is not json"),
    ],
)
def test_limits_are_inclusive(body: bytes, accepted: bool) -> None:
    """A body at the limit passes, one beyond it does not."""
    if accepted:
        check_json(body, LIMITS)
    else:
        with pytest.raises(InvalidJsonError):
            check_json(body, LIMITS)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":"\xff"}', id="byte that no utf-8 text holds"),
        pytest.param(b'{"a":"\xc0\xaf"}', id="overlong slash"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="surrogate"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param('{"a":1}'.encode("utf-16"), id="utf-16"),
    ],
)
def test_text_that_is_not_plain_utf8_is_refused(body: bytes) -> None:
    """A worker may read such bytes otherwise than we do."""
    with pytest.raises(InvalidJsonError):
        check_json(body, LIMITS)


def test_message_holds_nothing_of_the_body() -> None:
    """What a caller sent may be a secret."""
    with pytest.raises(InvalidJsonError) as caught:
        check_json(b'{"secret":' + b"[" * 70 + b"]" * 70 + b"}", LIMITS)

    assert caught.value.message == "the body is nested deeper than 64"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * BIG, id="arrays"),
        pytest.param(b"[" + b"{}," * (BIG // 3) + b"{}]", id="empty objects"),
        pytest.param(b'{"a":"' + b"x" * BIG + b'"}', id="one string"),
        pytest.param(b"{" + b'"k":1,' * (BIG // 6) + b'"k":1}', id="keys"),
        pytest.param(b'{"a":"' + b'\\\\\\",,' * (BIG // 6) + b'"}', id="escapes"),
        pytest.param(b"[" * 199_000 + b"]" * BIG, id="closes"),
        pytest.param(b"[" + (b"[" * 60 + b"]" * 60 + b",") * 3_000 + b"[]]" + b" " * BIG, id="nests"),
        pytest.param(b"[]" * (BIG // 2), id="pairs"),
        pytest.param(b'{"a":"' + "漢".encode() * (BIG // 3) + b'"}', id="three bytes a character"),
    ],
)
def test_hostile_eight_megabytes_cost_little(body: bytes) -> None:
    """No body stalls the loop for long (about 15 to 45 ms here; the bound leaves room for a busy machine)."""
    begun = time.process_time()
    accepts_or_not = passes(body, LIMITS)

    assert accepts_or_not in {True, False}
    assert time.process_time() - begun < 0.25


@pytest.mark.parametrize("wrong", [{"max_depth": 0}, {"max_nodes": 0}])
def test_limits_that_refuse_everything_are_refused(wrong: dict[str, int]) -> None:
    """A mistake in the configuration shows at start-up."""
    with pytest.raises(ValueError, match="at least 1"):
        JsonLimits(**wrong)
