"""Tests of smg.wire.codings."""

from __future__ import annotations

import pytest

from smg.wire.codings import codings_of, unasked


def fields(name: bytes, *values: bytes):
    """Return a head with this field, once per value."""
    return ((b"a", b"gzip"), *((name, value) for value in values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), []),
        ((b"identity",), []),
        ((b"GZip",), [b"gzip"]),
        ((b"x-gzip",), [b"gzip"]),
        ((b"gzip, br",), [b"gzip", b"br"]),
        ((b"gzip", b" br , identity"), [b"gzip", b"br"]),
        ((b" , ",), []),
    ],
)
def test_codings_are_read_in_order(values, expected):
    """Repeated fields are one list; what leaves the body as it is does not count."""
    assert codings_of(fields(b"Content-Encoding", *values)) == expected


@pytest.mark.parametrize(
    ("coding", "asked", "expected"),
    [
        pytest.param(b"gzip", (), True, id="nothing named"),
        pytest.param(b"gzip", (b"gzip",), False, id="named"),
        pytest.param(b"gzip", (b"deflate", b"br, GZIP;q=0.5"), False, id="among others, weighed"),
        pytest.param(b"gzip", (b"deflate, br",), True, id="others named"),
        pytest.param(b"gzip", (b"gzip; q=0, *",), True, id="refused"),
        pytest.param(b"br", (b"gzip;q=0, *",), False, id="any"),
        pytest.param(b"br", (b"*;q=0.0",), True, id="none"),
        pytest.param(b"gzip", (b"x-gzip",), False, id="by an old name"),
        pytest.param(b"gzip, br", (b"gzip",), True, id="one of two"),
        pytest.param(b"identity", (), False, id="no coding"),
    ],
)
def test_a_coding_must_have_been_named(coding, asked, expected):
    """Only what the caller says it can read is right."""
    assert unasked(codings_of(fields(b"content-encoding", coding)), fields(b"Accept-Encoding", *asked)) is expected


def test_a_body_as_it_is_needs_no_asking():
    """An answer that names no coding has none."""
    assert not unasked([], ())
