"""Tests of smg.wire.splice."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from smg.wire.fields import read_fields
from smg.wire.splice import set_field
from tests.wire.test_fields import names, spelt_objects, values


@given(st.data(), st.lists(names, unique=True, max_size=5), names, values)
def test_only_the_named_field_changes(data: st.DataObject, name_list: list[str], name: str, value: object) -> None:
    """Every other field keeps its bytes; the decoded object is the old one with the field set."""
    body = data.draw(spelt_objects(name_list))
    before = read_fields(body)

    result = set_field(body, name, msgspec.json.encode(value))

    after = read_fields(result)
    assert json.loads(body) | {name: value} == json.loads(result)
    assert {key: bytes(raw) for key, raw in before.items() if key != name} == {
        key: bytes(raw) for key, raw in after.items() if key != name
    }


def test_present_field_is_replaced_in_place() -> None:
    """Spacing, order and spelling of all else survive."""
    body = b' { "model" : "a" ,\n "n" : 1.0e2 } \n'

    assert set_field(body, "model", b'"b"') == b' { "model" : "b" ,\n "n" : 1.0e2 } \n'


def test_absent_field_is_appended() -> None:
    """The new field stands last."""
    assert set_field(b'{"a":"}"} ', "rank", b"0") == b'{"a":"}","rank":0} '
    assert set_field(b"{ }", "rank", b"0") == b'{ "rank":0}'
