"""Tests of smg.wire.fields."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import InvalidJsonError, InvalidRequestError
from smg.wire import fields as wire_fields
from smg.wire.fields import locate, read_fields, refuse_repeats

names = st.text(st.sampled_from('ab"\\é:{,}'), max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('x"\\},:{'), max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=5
)
space = st.text(st.sampled_from(" \n\t\r"), max_size=2)


@st.composite
def spelt_objects(draw: st.DrawFn, name_list: list[str]) -> bytes:
    """Draw an object's text with free spacing and spelling; names are those of the list, in order."""
    parts = []
    for name in name_list:
        key = json.dumps(name, ensure_ascii=draw(st.booleans()))
        if draw(st.booleans()):
            key = '"' + "".join(f"\\u{ord(char):04x}" for char in name) + '"'
        text = json.dumps(draw(values), indent=draw(st.sampled_from([None, 1])))
        parts.append(f"{draw(space)}{key}{draw(space)}:{draw(space)}{text}{draw(space)}")
    return f"{draw(space)}{{{','.join(parts) or draw(space)}}}{draw(space)}".encode()


@given(st.data(), st.lists(names, unique=True, max_size=6))
def test_places_cut_out_exactly_the_values(data: st.DataObject, name_list: list[str]) -> None:
    """However the text is spaced and spelt, each slice is that field's value."""
    body = data.draw(spelt_objects(name_list))
    fields = read_fields(body)

    places = locate(body, fields, ())

    assert {name: body[place] for name, place in places.items()} == {name: bytes(raw) for name, raw in fields.items()}
    assert list(places) == name_list
    refuse_repeats(body, fields, ())


@given(st.data(), st.lists(names, min_size=1, max_size=5, unique=True), st.integers(0, 4), st.integers(0, 5))
def test_repeated_names_are_found_wherever_they_stand(
    data: st.DataObject, name_list: list[str], which: int, where: int
) -> None:
    """Same or other value, same or other spelling, next to each other or apart."""
    twice = name_list[which % len(name_list)]
    name_list.insert(where % (len(name_list) + 1), twice)
    body = data.draw(spelt_objects(name_list))

    with pytest.raises(InvalidRequestError) as caught:
        locate(body, read_fields(body), {twice})

    assert caught.value.param == twice
    with pytest.raises(InvalidRequestError):
        refuse_repeats(body, read_fields(body), ())


@pytest.mark.parametrize("short_bytes", [0, 1 << 10])
@pytest.mark.parametrize(
    "body", [b'{"":0,"":0}', b'{"ab":0,"ab":0}', b'{"a":{ },"":0,"":0}', b'{ "":0,"b": [1, 2],"b" :0}']
)
def test_least_repeat_is_found_at_any_size(body: bytes, short_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for one that is shorter."""
    monkeypatch.setattr(wire_fields, "SHORT_BYTES", short_bytes)

    with pytest.raises(InvalidRequestError):
        refuse_repeats(body, read_fields(body), ())


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":12,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":1,"b":2,"a":1}',
        b'{"a":1,"a":2,"b":2}',
        b'{"\\u0061":1,"a":1}',
        b'{"a":{"b":1},"a":{"c":1}}',
    ],
)
def test_repeated_name_that_is_not_ours_is_not_echoed(body: bytes) -> None:
    """Field names are the caller's bytes, too."""
    with pytest.raises(InvalidRequestError) as caught:
        locate(body, read_fields(body), {"model"})

    assert caught.value.param is None
    assert caught.value.message == "the field of one name is given more than once"


def test_repeated_name_is_told_from_its_neighbours() -> None:
    """Even where the values alone would let the next name look like the repeated one."""
    body = b'{"model":1,"model":1,"stream":1}'

    with pytest.raises(InvalidRequestError) as caught:
        locate(body, read_fields(body), {"model", "stream"})

    assert caught.value.param == "model"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"  ", b"null", b"[]", b'"x"', b"1", b'{"a":1', b'{"a":1,}', b'{"a":1}{}', b'{"a":1} x', b"{} #", b"{1:2}",
        b'{"a":NaN}', b'{"a":[Infinity]}', b'{"a":{"b":-Infinity}}', b'{"a":01}', b'{"a":"\\q"}', b'{"a":"\x01"}',
        b'{"a":"\\ud800"}', b'{"a":"\\ud800 and more text"}', b'{"\\udc00":1}',
    ],
)  # fmt: skip
def test_what_is_not_one_json_object_is_refused(body: bytes) -> None:
    """Also in the parts that nobody reads: a worker must never get broken JSON from us."""
    with pytest.raises(InvalidJsonError) as caught:
        read_fields(body)

    assert caught.value.message == "the body is not one JSON object"


@pytest.mark.parametrize("fields", [{f"k{number}": 1 for number in range(1_001)}, {"k" * 257: 1}])
def test_many_fields_and_long_names_are_refused(fields: dict[str, int]) -> None:
    """The walk over them is bounded."""
    body = msgspec.json.encode(fields)

    with pytest.raises(InvalidJsonError):
        read_fields(body)
