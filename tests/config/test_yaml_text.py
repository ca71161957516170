"""YAML read with care."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.config.yaml_text import MAX_BYTES, MAX_VALUES, read_yaml
from smg.core.errors import ConfigError
from tests.config.trees import complaint

BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b", ".join([b"*%c" % (letter - 1)] * 10)) for letter in b"bcdefghi"
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-1", -1), ("010", 10), ("0x10", 16), ("0o10", 8), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("yes", "yes"), ("off", "off"), ("1:30", "1:30"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("'1'", "1"), ('"true"', "true"), ("9" * 31, 1e31),
        (".inf", math.inf), ("-.INF", -math.inf), ("1e999", math.inf),
    ],
)  # fmt: skip
def test_scalars_are_read_by_the_core_rules(text, value):
    """No value turns into a time, a date or a truth that its writer did not mean."""
    assert read_yaml(f"a: {text}".encode(), "f").plain() == {"a": value}


def test_what_is_no_number_is_read_as_such():
    """It is refused later, by the name of its setting."""
    assert math.isnan(read_yaml(b"a: .NaN", "f").plain()["a"])


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null"])
def test_empty_file_is_an_empty_mapping(text):
    """A file with nothing in it sets nothing."""
    assert read_yaml(text.encode(), "f").plain() == {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: \xff", "f: not utf-8"),
        (b"\x00", "f: not yaml: "),
        (b"x" * (MAX_BYTES + 1), "f: larger than 1048576 bytes"),
        (b"a: 1\n---\nb: 2", "f:2: only one document per file"),
        (b"a: *b", "f:1: nothing is anchored as 'b' above"),
        (b"a: &a [*a]", "f:1: nothing is anchored as 'a' above"),
        (b"[a]: 1", "f:1: a key must be plain text"),
        (b"? {a: 1}\n: 2", "f:1: a key must be plain text"),
        (b"a:\n  b: 1\n  b: 2", "f:3: 'b' is set twice"),
        (b"a: !!str x", "f:1: tags are not allowed"),
        (b"!x a: 1", "f:1: a key must be plain text"),
        (b"a: " + b"[" * 900_000, "f:1: "),  # newer parsers have a limit of their own, and are first to refuse it
        (b"a: " + b"{b: " * 100, "f:1: nested deeper than 32"),
        (BOMB, f"f:5: more than {MAX_VALUES} values, aliases unfolded"),
        (b"a: [" + b"1," * 100_000 + b"]", f"f:1: more than {MAX_VALUES} values, aliases unfolded"),
    ],
)
def test_what_is_no_plain_bounded_yaml_is_refused_quickly(data, message):
    """Bombs, tags and twice-set keys end in one line within a second."""
    began = time.perf_counter()

    with pytest.raises(ConfigError) as refused:
        read_yaml(data, "f")

    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert time.perf_counter() - began < 1.0


def test_line_of_a_path_is_the_line_of_its_key():
    """A value on the next line is blamed where its key stands; what is missing, where its parent does."""
    root = read_yaml(b"a:\n  b:\n    - 1\n    - 2\n", "f")

    assert root.line_of(("a", "b")) == (2, 2)
    assert root.line_of(("a", "b", 1)) == (4, 3)
    assert root.line_of(("a", "c")) == (1, 1)
    assert root.line_of(("z",)) == (1, 0)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_mapping_or_a_config_error(data):
    """Nothing else comes out of the reader."""
    message = complaint(data)

    assert message is None or message.startswith("f:")
