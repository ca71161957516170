"""Bodies of answers, taken out of their framing at any split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import BadFramingError
from smg.wire.answer_body import ChunkyBody, EndlessBody, SizedBody, body_of
from smg.wire.answer_head import read_answer_head


def chunked(*parts):
    """Return these chunks, and the last one."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def fed(body, pieces):
    """Feed a body and return all that came out."""
    return b"".join(body.feed(piece) for piece in pieces)


def split(data, cuts):
    """Cut ``data`` at these places."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges) if begin < end]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 10_000), max_size=12))
def test_chunks_at_any_split(parts, cuts):
    """What comes out is what the chunks hold, and the end is seen with its last byte."""
    body = ChunkyBody()

    assert fed(body, split(chunked(*parts), cuts)) == b"".join(parts)
    assert (body.done, body.beyond) == (True, False)


def test_an_event_a_chunk_a_read_comes_out_at_once():
    """The usual way of a stream, in whatever order it meets the others."""
    body = ChunkyBody()

    assert body.feed(b"5\r\nfirst\r\n") == b"first"
    assert body.feed(b"6\r\nsec") == b"sec"
    assert body.feed(b"ond\r\n5\r\nthird\r\n") == b"ondthird"
    assert body.feed(b"6\r\nfourth\r\n") == b"fourth"
    assert not body.done
    assert body.feed(b"0\r\n\r\n") == b""
    assert body.done


@pytest.mark.parametrize("data", [b"zz\r\n", b"5\r\nfirstX", b"+5\r\nfirst\r\n", b"5 \nfirst\r\n", b"f" * 40 + b"\r\n"])
def test_malformed_chunks_are_refused(data):
    """No size, a wrong end, a sign, a bare line feed, a size beyond all measure."""
    with pytest.raises(BadFramingError):
        ChunkyBody().feed(data)


@pytest.mark.parametrize(("body", "data"), [(SizedBody(3), b"abcX"), (ChunkyBody(), chunked(b"abc") + b"X")])
def test_what_comes_behind_the_end_is_seen(body, data):
    """It is no part of the body, and the connection is not to be trusted again."""
    assert body.feed(data) == b"abc"
    assert (body.done, body.beyond) == (True, True)


def test_a_sized_body_ends_with_its_last_byte():
    """However it is split."""
    body = SizedBody(5)

    assert fed(body, [b"ab", b"cd"]) == b"abcd"
    assert not body.done
    assert body.feed(b"e") == b"e"
    assert (body.done, body.beyond) == (True, False)


@pytest.mark.parametrize(
    ("field", "kind", "done"),
    [
        (b"Content-Length: 3", SizedBody, False),
        (b"Content-Length: 0", SizedBody, True),
        (b"Transfer-Encoding: chunked", ChunkyBody, False),
        (b"X: y", EndlessBody, False),
    ],
)
def test_the_head_says_which_it_is(field, kind, done):
    """Only one that nothing but the connection's end ends is endless."""
    body = body_of(read_answer_head(b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n"))

    assert isinstance(body, kind)
    assert (body.done, body.endless) == (done, kind is EndlessBody)
