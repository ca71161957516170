"""Tests of smg.wire.http_fields."""

from __future__ import annotations

import pytest

from smg.wire.http_fields import TEMPLATE_BYTES, field_lines, template_of

LINE = b"POST / HTTP/1.1"


def length_by(template, block):
    """Return the length in a head by the template of another one that has one."""
    made = template_of(template)
    assert made is not None
    return made.length(block)


def test_a_head_fits_the_template_of_one_that_differs_in_its_length():
    """Whatever the length's spelling, and to the digit."""
    template = LINE + b"\r\nA: 1\r\nContent-Length: \t12 \r\nB: 2"

    for digits, length in ((b"12", 12), (b"0", 0), (b"007", 7), (b"9" * 18, int("9" * 18))):
        assert length_by(template, template.replace(b"12", digits)) == length
    assert length_by(LINE + b"\r\nCONTENT-LENGTH:7", LINE + b"\r\nCONTENT-LENGTH:3") == 3


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(LINE + b"\r\nA: 1\r\nContent-Length: \r\nB: 2", id="none"),
        pytest.param(LINE + b"\r\nA: 1\r\nContent-Length: " + b"1" * 19 + b"\r\nB: 2", id="too many digits"),
        pytest.param(LINE + b"\r\nA: 2\r\nContent-Length: 12\r\nB: 2", id="other before"),
        pytest.param(LINE + b"\r\nA: 1\r\nContent-Length: 12\r\nB: 3", id="other behind"),
        pytest.param(LINE + b"\r\nA: 1\r\ncontent-length: 12\r\nB: 2", id="spelt otherwise"),
        pytest.param(LINE + b"\r\nA: 1\r\nContent-Length: 1\r\nContent-Length: 2\r\nB: 2", id="two"),
        pytest.param(LINE, id="short"),
        pytest.param(b"", id="empty"),
        *(
            pytest.param(LINE + b"\r\nA: 1\r\nContent-Length: %b\r\nB: 2" % value, id=repr(value))
            for value in (b"+1", b"-1", b"1 2", b"1,1", b"0x1", b"1\n", b"1\r", b" 1", b"1\x0b", b"\xb2", b"1_0")
        ),
    ],
)
def test_no_other_head_fits(block):
    """It is read as if it were the first."""
    template = LINE + b"\r\nA: 1\r\nContent-Length: 12\r\nB: 2"

    assert length_by(template, template) == 12
    assert length_by(template, block) is None


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"\r\nA: content-length: 3", id="none"),
        pytest.param(b"\r\nX-Content-Length: 3", id="another's name"),
        pytest.param(b"\r\nContent-Length: 3\r\nA: b\r\ncontent-length: 3", id="two"),
        pytest.param(b"\r\nContent-Length: 3\r\nContent-Length: 3", id="two in a row"),
        pytest.param(b"\r\nContent-Length: 3\r\nA: " + b"b" * TEMPLATE_BYTES, id="too large to keep"),
    ],
)
def test_some_heads_are_no_templates(fields):
    """Those that have no length, or more than one, or would take much of a connection's memory."""
    assert template_of(LINE + fields) is None


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\nA: b", b"\0"])
def test_a_field_cannot_say_more_than_it_is(end):
    """Neither in its name nor in its value."""
    assert field_lines(((b"A", b"b"), (b"C", b""))) == b"A: b\r\nC: \r\n"
    for field in ((b"A" + end, b"b"), (b"A", b"b" + end)):
        with pytest.raises(ValueError, match="line break"):
            field_lines((field,))
