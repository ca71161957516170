"""Tests of smg.wire.openai.decoding."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from smg.core.errors import InvalidJsonError, InvalidRequestError, UnsupportedFieldError
from smg.wire.openai.decoding import Body, decode_body


class Part(msgspec.Struct):
    name: str


class Sample(Body, kw_only=True):
    refused: ClassVar[frozenset[str]] = frozenset({"magic"})

    parts: list[Part]
    number: float | None = None
    table: dict[str, int] | None = None


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b"{}", "parts", "parts is required"),
        (b'{"parts":[{}]}', "parts.0.name", "parts.0.name is required"),
        (b'{"parts":[{"name":7}]}', "parts.0.name", "parts.0.name must be str, not int"),
        (b'{"parts":{"secret":1}}', "parts", "parts must be array, not object"),
        (b'{"parts":[],"number":"secret"}', "number", "number must be float | null, not str"),
        (b'{"parts":[],"number":1e999}', "number", "number has a value that cannot be used"),
        (b'{"parts":[],"table":{"secret":"x"}}', "table", "table must be int, not str"),
    ],
)
def test_faults_are_told_in_the_callers_words(body: bytes, param: str, message: str) -> None:
    """The path is dotted; nothing of what stood there is told."""
    with pytest.raises(InvalidRequestError) as caught:
        decode_body(Sample, body)

    assert (caught.value.param, caught.value.message) == (param, message)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"parts":[]} x', b'{"parts":[{"name":"\\ud800"}]}', b'{"x":"\\ud800"}']
)
def test_what_is_not_json_is_refused_as_such(body: bytes) -> None:
    """With the same code as everywhere."""
    with pytest.raises(InvalidJsonError):
        decode_body(Sample, body)


class Picky(Body, kw_only=True):
    refused: ClassVar[frozenset[str]] = frozenset({"b", "c", "a"})


def test_of_several_refused_fields_the_first_by_name_is_told() -> None:
    """The same one in every process, in whatever order they come; one that asks for nothing is none."""
    with pytest.raises(UnsupportedFieldError) as caught:
        decode_body(Picky, b'{"c":1,"b":2,"a":null}')

    assert caught.value.param == "b"


@pytest.mark.parametrize("value", [b"true", b"1", b"0", b'"x"', b"[1]", b'{"a":1}'])
def test_refused_field_with_a_value_is_refused(value: bytes) -> None:
    """Whatever the value, it asks for something."""
    with pytest.raises(UnsupportedFieldError) as caught:
        decode_body(Sample, b'{"parts":[],"magic":' + value + b"}")

    assert caught.value.param == "magic"


@pytest.mark.parametrize("value", [b"null", b"false", b'""', b"[]", b"{}"])
def test_refused_field_that_asks_for_nothing_passes(value: bytes) -> None:
    """Clients spell out their defaults."""
    assert decode_body(Sample, b'{"parts":[],"magic":' + value + b"}").parts == []
