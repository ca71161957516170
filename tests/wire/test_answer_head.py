"""The head of an answer: one meaning, or none."""

from __future__ import annotations

import pytest

from smg.core.errors import BadFramingError
from smg.wire.answer_head import MAX_FIELDS, MAX_HEAD_BYTES, AnswerReader, read_answer_head


def read(*lines, start=b"HTTP/1.1 200 OK"):
    """Read a head of these fields."""
    return read_answer_head(b"\r\n".join((start, *lines, b"", b"")))


def test_status_and_fields_come_as_they_are_spelt():
    """Repeats are kept, in order; only white space around a value is not of it."""
    head = read(b"X-A: 1", b"x-a:2  ", b"Set-Cookie:", start=b"HTTP/1.1 503 Not Now")

    assert head.status == 503
    assert head.headers == ((b"X-A", b"1"), (b"x-a", b"2"), (b"Set-Cookie", b""))


@pytest.mark.parametrize(
    ("fields", "length", "chunked", "keep_alive"),
    [
        pytest.param((b"Content-Length: 5",), 5, False, True, id="length"),
        pytest.param((b"content-length: 5", b"Content-Length: 5"), 5, False, True, id="length twice"),
        pytest.param((b"Transfer-Encoding: Chunked",), None, True, True, id="chunks"),
        pytest.param((), None, False, False, id="the connection's end"),
        pytest.param((b"Content-Length: 0", b"Connection: X, Close"), 0, False, False, id="close"),
    ],
)
def test_framing(fields, length, chunked, keep_alive):
    """The length, the chunks or the connection's end tell where the body ends."""
    head = read(*fields)

    assert (head.length, head.chunked, head.keep_alive) == (length, chunked, keep_alive)


def read_one(reader, data):
    """Read a head that is whole."""
    head, rest = reader.read(data)
    assert head is not None
    return head, rest


def test_a_head_that_comes_again_differs_in_its_length_alone():
    """What was remembered of the one before says nothing of this one's body, nor of one that is framed otherwise."""
    reader = AnswerReader()
    sized = [b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: %d\r\n\r\nbody" % length for length in (5, 0, 70)]
    endless = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody"

    read = [read_one(reader, data) for data in (*sized, endless, sized[0])]

    assert [head.length for head, _ in read] == [5, 0, 70, None, 5]
    assert [head.keep_alive for head, _ in read] == [True, True, True, False, True]
    assert {(head.headers, rest) for head, rest in read} == {(((b"A", b"b"),), b"body")}


def test_a_head_without_a_length_that_comes_again_is_the_same():
    """To the byte; and neither is it taken for one with a length."""
    reader = AnswerReader()
    stream, other = (b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % status for status in (200, 201))
    sized = b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\n"

    read = [read_one(reader, data)[0] for data in (stream, sized, stream, other, stream)]
    assert [(head.status, head.length, head.chunked) for head in read] == [
        *((200, None, True), (200, 3, False), (200, None, True), (201, None, True), (200, None, True)),
    ]
    assert read[0] is read[2]


def test_an_interim_head_is_never_taken_for_the_answers():
    """Even where it names a length."""
    reader, interim = AnswerReader(), b"HTTP/1.1 103 X\r\nContent-Length: 9\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"

    for _ in range(2):
        head, rest = read_one(reader, interim + answer + b"x")
        assert (head.status, head.length, rest) == (200, 1, b"x")
    assert reader.read(interim) == (None, b"")


@pytest.mark.parametrize("status", [100, 103, 204, 304])
def test_some_answers_have_no_body_whatever_they_say(status):
    """The status alone decides."""
    head = read(b"Content-Length: 9", start=b"HTTP/1.1 %d X" % status)

    assert (head.length, head.chunked, head.keep_alive) == (0, False, True)


@pytest.mark.parametrize(("option", "keep_alive"), [(b"keep-alive", True), (b"other", False)])
def test_an_old_server_keeps_the_connection_only_where_it_says_so(option, keep_alive):
    """HTTP/1.0 closes by default."""
    head = read(b"Content-Length: 1", b"Connection: " + option, start=b"HTTP/1.0 200 OK")

    assert head.keep_alive is keep_alive


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"HTTP/2 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 99 OK\r\n\r\n", id="no status"),
        pytest.param(b"ICY 200 OK\r\n\r\n", id="another tongue"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", id="both"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="another coding"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", id="signed length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n", id="folded line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", id="space before the colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", id="zero"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n", id="bare line feed"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * (MAX_FIELDS + 1) + b"\r\n", id="too many"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n", id="too long"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(block):
    """So is what is no HTTP/1 at all."""
    with pytest.raises(BadFramingError):
        read_answer_head(block)


def test_a_head_without_an_end_is_refused_in_time():
    """At the size that a whole one may have."""
    assert AnswerReader().read(b"x" * MAX_HEAD_BYTES) == (None, b"x" * MAX_HEAD_BYTES)
    with pytest.raises(BadFramingError):
        AnswerReader().read(b"x" * (MAX_HEAD_BYTES + 1))
