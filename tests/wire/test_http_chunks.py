from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import BadFramingError, GatewayError, PayloadTooLargeError
from smg.wire.http_chunks import EXTRA_BYTES, ChunkedBody, one_chunk

CAP = 1 << 20


def _fed(pieces: Any, cap: int = CAP) -> Any:
    body, rest = ChunkedBody(cap), b""
    for piece in pieces:
        rest += piece if body.done else body.feed(piece)
    return bytes(body.content), body.done, rest


def _split(data: bytes, cuts: Any) -> Any:
    at = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[begin:end] for begin, end in zip([0, *at], [*at, len(data)], strict=True)]


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.sampled_from([b"", b";a", b';a="b"; c']),
    st.lists(st.sampled_from([b"x: y\r\n", b"Host: evil\r\n", b"z:\r\n"]), max_size=3),
    st.binary(max_size=8),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_data_is_the_same_at_any_split(chunks: Any, extension: Any, trailer: Any, after: Any, cuts: Any) -> None:
    """However the bytes arrive, the data comes out whole, the rest dropped, and the next message untouched."""
    framed = b"".join(b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    sent = framed + b"0\r\n" + b"".join(trailer) + b"\r\n" + after

    assert _fed(_split(sent, cuts)) == (b"".join(chunks), True, after)


@pytest.mark.parametrize("size", [1, 9, 10, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, 1 << 20])
@pytest.mark.parametrize("spelt", [b"%x\r\n", b"%X\r\n"])
def test_one_chunk_is_known_by_its_size(size: Any, spelt: Any) -> None:
    """And nothing else passes for one: a byte more or less, another line's end, zeros before the size, two chunks."""
    chunk = spelt % size + b"x" * size + b"\r\n"

    assert one_chunk(chunk) == b"x" * size
    for other in (chunk[:-1], chunk + b"x", b"0" + chunk, chunk[:-2] + b"\n\n", chunk * 2, chunk + b"0\r\n\r\n"):
        assert one_chunk(other) == b""


@given(st.binary(max_size=12) | st.lists(st.sampled_from([b"\r\n", b"1", b"a", b"0", b"x", b"A"])).map(b"".join))
def test_what_passes_for_one_chunk_is_one(data: Any) -> None:
    """As the strict machine takes it apart."""
    if found := one_chunk(data):
        assert _fed([data]) == (found, False, b"")


BROKEN = [
    *(
        b"1\nx\r\n0\r\n\r\n",
        b"0x1\r\nx\r\n",
        b"1_0\r\n",
        b"+1\r\n",
        b"-1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1 ;a\r\n",
        b"\r\n",
        b"g\r\n",
    ),
    *(b"1" * 17 + b"\r\n", b"1\r\nxy\r\n", b"1\r\nx\n", b"1\r\nx\r0", b"1;a\nb\r\n", b"1;a\rb\r\n", b"1;a\x00\r\n"),
    *(b"1;" + b"a" * 9000 + b"\r\n", b"0\r\nx\r\n", b"0\r\nx y: z\r\n", b"0\r\n x: y\r\n", b"0\r\nx: y\n", b"0\r\n\n"),
    b"0\r\n" + b"x: yyyyyyyyyy\r\n" * 1000,
    *(b"0\r\ncontent-Length: 1\r\n", b"0\r\nx: y\r\nTransfer-encoding:chunked\r\n"),
]


@pytest.mark.parametrize("sent", BROKEN, ids=lambda sent: repr(sent[:16]))
def test_broken_chunks_are_refused_at_once(sent: Any) -> None:
    """Whole or byte by byte, with nothing behind to wait for."""
    for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        with pytest.raises(BadFramingError):
            _fed(pieces)


def test_size_is_refused_when_announced() -> None:
    """The limit itself fits; a chunk that would cross it is not waited for."""
    assert _fed([b"4\r\n1234\r\n0\r\n\r\n"], cap=4) == (b"1234", True, b"")
    with pytest.raises(PayloadTooLargeError):
        _fed([b"2\r\n12\r\n3\r\n"], cap=4)


def test_many_small_extras_are_too_many() -> None:
    """Extensions count together, so that a body cannot be mostly framing."""
    with pytest.raises(BadFramingError):
        _fed([b"1;%b\r\nx\r\n" % (b"a" * 99)] * (EXTRA_BYTES // 100 + 1))


@given(st.lists(st.binary(max_size=20) | st.sampled_from(BROKEN), max_size=5))
def test_any_bytes_are_taken_or_refused(pieces: Any) -> None:
    """Nothing but our own errors comes of whatever is sent."""
    try:
        _fed(pieces)
    except GatewayError:
        return
