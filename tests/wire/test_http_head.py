from __future__ import annotations

from contextlib import suppress
from typing import Any

import h11
import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.core.errors import (
    BadFramingError,
    FieldsTooLargeError,
    GatewayError,
    TargetTooLongError,
    UnsupportedMediaTypeError,
)
from smg.wire.http_head import Head, HeadLimits, HeadReader, check_begun, read_head

LIMITS = HeadLimits()
GOOD = (
    b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: a:1\r\nX-Name: caf\xe9 \t\r\nempty:\r\nContent-Length: 12\r\n\r\n"
)


def _head(*fields: Any, line: Any = b"POST / HTTP/1.1", host: Any = b"Host: a") -> Any:
    return b"\r\n".join((line, *((host,) if host is not None else ()), *fields, b"", b""))


def test_a_field_is_found_whatever_its_spelling() -> None:
    """By its name in lower case, the first of repeated values; HTTP makes a list of some."""
    head = read_head(_head(b"X-Key: one", b"x-KEY: two", b"Connection: a", b"connection: b"), LIMITS)

    assert head.fields == {b"host": b"a", b"x-key": b"one", b"connection": b"a,b"}


def test_head_is_read_whole() -> None:
    """Method, target, version, fields as they were spelt, and what frames the body."""
    head = read_head(GOOD, LIMITS)

    assert (head.method, head.target, head.modern) == ("POST", "/v1/chat/completions?a=b", True)
    assert head.headers == ((b"Host", b"a:1"), (b"X-Name", b"caf\xe9"), (b"empty", b""))
    assert (head.length, head.keep_alive, head.expects) == (12, True, False)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(_head(), 0, id="none"),
        pytest.param(_head(b"content-length: 007"), 7, id="leading zeros"),
        pytest.param(_head(b"transfer-encoding: Chunked"), None, id="chunks"),
    ],
)
def test_body_is_framed_one_way(head: Any, expected: Any) -> None:
    """By its length, by chunks, or there is none."""
    assert read_head(head, LIMITS).length == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(_head(), True, id="1.1"),
        pytest.param(_head(b"connection: Close"), False, id="1.1 close"),
        pytest.param(_head(b"connection: a", b"Connection: close"), False, id="close in a second field"),
        pytest.param(_head(b"connection: upgrade", b"upgrade: websocket"), False, id="upgrade"),
        pytest.param(_head(b"upgrade: h2c"), False, id="upgrade alone"),
        pytest.param(_head(line=b"GET / HTTP/1.0"), False, id="1.0"),
        pytest.param(_head(b"connection: x, Keep-Alive", line=b"GET / HTTP/1.0"), True, id="1.0 keep-alive"),
        pytest.param(_head(line=b"GET / HTTP/1.0", host=None), False, id="1.0 without host"),
    ],
)
def test_wish_to_go_on_is_read(head: Any, expected: Any) -> None:
    """The version and the connection's options decide; an upgrade is answered as the last."""
    assert read_head(head, LIMITS).keep_alive is expected


def test_invitation_is_expected_in_http_1_1_only() -> None:
    """100-continue in any case counts; HTTP/1.0 does not know it."""
    field = b"Expect: 100-Continue"

    assert read_head(_head(field), LIMITS).expects
    assert not read_head(_head(field, line=b"POST / HTTP/1.0"), LIMITS).expects


CONTROLS = [bytes([byte]) for byte in (*range(0x20), 0x7F) if byte != 0x09]
OUTSIDE = [*CONTROLS, b"\t", b" ", b"\xe9"]


@pytest.mark.parametrize(
    "head",
    [
        *(pytest.param(_head(b"x: a%bb" % byte), id=f"{byte!r} in a value") for byte in CONTROLS),
        *(pytest.param(_head(b"x%by: a" % byte), id=f"{byte!r} in a name") for byte in OUTSIDE),
        *(
            pytest.param(_head(line=line), id=repr(line))
            for line in (
                *(b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/1.2", b"GET / HTTP/1.32", b"GET / HTTP/2.0"),
                *(b"get / HTTP/1.1", b"G=T / HTTP/1.1", b"TRACE / HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"GET / HTTP/3"),
                *(b"PRI * HTTP/2.0", b"PRI * HTTP/1.1", b" GET / HTTP/1.1", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 "),
                *(b"GET /a b HTTP/1.1", b"GET /\xe9 HTTP/1.1", b"GET /a#b HTTP/1.1", b"GET\t/ HTTP/1.1"),
                *(b"GET / http/1.1", b"\r\nGET / HTTP/1.1", b"A" * 25 + b" / HTTP/1.1"),
            )
        ),
        *(
            pytest.param(_head(host=host), id=repr(host))
            for host in (
                *(None, b"Host:", b"Host: a@b", b"Host: a:b:c", b"Host: a/b", b"Host: a b", b"Host: [::1"),
                *(b"Host: a\r\nhost: a", b"Host: a\r\nHost: b", b"Host: " + b"a" * 300, b"Host: a,b"),
                *(b"Host : a", b"Host: \xe9"),
            )
        ),
        *(
            pytest.param(_head(b"Content-Length: " + length), id=repr(length))
            for length in (b"", b"3, 3", b"+3", b"-1", b"0x3", b"1_0", b"9" * 23, b"3 a", b"3\r\nContent-Length: 3")
        ),
        *(
            pytest.param(_head(b"Transfer-Encoding: " + coding), id=repr(coding))
            for coding in (
                *(b"", b"xchunked", b"chunked, identity", b"gzip, chunked", b"identity", b'"chunked"', b"chunked;a"),
                *(b"chunked\r\nTransfer-Encoding: chunked", b"\x0bchunked", b"chunked\x00"),
            )
        ),
        pytest.param(_head(b"Content-Length: 3", b"Transfer-Encoding: chunked"), id="length, chunks"),
        pytest.param(_head(b"Transfer-Encoding: chunked", b"Content-Length: 3"), id="chunks, length"),
        pytest.param(_head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"), id="chunks in 1.0"),
        pytest.param(_head(b"Content-Type: a/b", b"content-type: a/b"), id="two types"),
        pytest.param(_head(b"x: a\r\n b"), id="folded"),
        pytest.param(_head(b" x: a"), id="leading space"),
        pytest.param(_head(b"x"), id="no colon"),
        pytest.param(_head(b": a"), id="no name"),
        pytest.param(_head(b"x: a\rb\ny: c"), id="breaks that even out"),
    ],
)  # fmt: skip
def test_head_of_doubtful_meaning_is_refused(head: Any) -> None:
    """What two servers could read in two ways is read by none."""
    end = head.find(b"\r\n\r\n") + 4

    with pytest.raises(BadFramingError):
        read_head(head[:end], LIMITS)


@pytest.mark.parametrize("coding", [b"gzip", b"identity, br", b"identity\r\nContent-Encoding: gzip", b""])
def test_compressed_body_is_not_served(coding: Any) -> None:
    """No coding but identity."""
    with pytest.raises(UnsupportedMediaTypeError):
        read_head(_head(b"Content-Encoding: " + coding), LIMITS)


def test_sizes_are_capped() -> None:
    """Each limit itself still fits; beyond it the answer says which one it was."""
    full = [b"x: " + b"a" * 8189] * 3
    read_head(_head(*full), LIMITS)
    read_head(_head(*[b"a: b"] * 99), LIMITS)
    read_head(_head(line=b"GET /%b HTTP/1.1" % (b"a" * (8192 - 14))), LIMITS)

    for head, error in (
        (_head(*[b"a: b"] * 100), FieldsTooLargeError),
        (_head(b"x: " + b"a" * 8190), FieldsTooLargeError),
        (_head(*full, full[0]), FieldsTooLargeError),
        (_head(line=b"GET /%b HTTP/1.1" % (b"a" * (8193 - 14))), TargetTooLongError),
        (_head(line=b"G" * 9000 + b" / HTTP/1.1"), BadFramingError),
    ):
        with pytest.raises(error):
            read_head(head, LIMITS)


def test_every_beginning_of_a_good_head_may_go_on() -> None:
    """No split of a good head makes it a bad one."""
    for end in range(1, len(GOOD)):
        check_begun(GOOD[:end], LIMITS)


@pytest.mark.parametrize("line", [b"x: " + b"a" * 8189, b"GET /" + b"a" * 8178 + b" HTTP/1.1"])
def test_a_line_of_the_longest_kind_may_go_on_at_any_split(line: Any) -> None:
    """Half of its end does not count."""
    head = _head(line) if line.startswith(b"x") else _head(line=line)
    read_head(head, LIMITS)

    for end in range(1, len(head)):
        check_begun(head[:end], LIMITS)


@pytest.mark.parametrize(
    ("part", "error"),
    [
        (b"\x16\x03\x01\x02\x00", BadFramingError),
        (b"SSH-2.0-x", BadFramingError),
        (b"GET /\r\n", BadFramingError),
        (b"GET /\n", BadFramingError),
        (b"PRI * HTTP/2", BadFramingError),
        (b"GET / HTTP/1.1\r\nHost: a\n", BadFramingError),
        (b"G" * 25, BadFramingError),
        (b"GET /" + b"a" * 8192, TargetTooLongError),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 8192, FieldsTooLargeError),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 102, FieldsTooLargeError),
        (b"GET / HTTP/1.1\r\n" + (b"x: %b\r\n" % (b"a" * 999)) * 33, FieldsTooLargeError),
    ],
)
def test_beginning_that_can_become_no_head_is_refused_at_once(part: Any, error: Any) -> None:
    """Nobody waits for the end of what is no request."""
    with pytest.raises(error):
        check_begun(part, LIMITS)


PIECES = st.sampled_from([
    *(b"GET", b"POST", b" ", b"/", b"/a?b", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n", b"\n", b"\r", b"\t", b":"),
    b": ",
    *(b"Host: a", b"host: a:1", b"Content-Length: 3", b"content-length: 03", b"Transfer-Encoding: chunked", b"x"),
    *(b"\x00", b"Connection: close", b"connection: keep-alive, x", b"Expect: 100-continue", b",", b";", b"\xe9"),
    *(b"Upgrade: a", b"a" * 40),
])  # fmt: skip
HEADS = st.lists(PIECES, max_size=14).map(b"".join) | st.lists(PIECES, max_size=8).map(
    lambda pieces: b"POST / HTTP/1.1\r\nHost: a\r\n" + b"".join(pieces) + b"\r\n\r\n"
)


class _Seen:
    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def _lowered(headers: Any) -> Any:
    return [(bytes(name).lower(), bytes(value)) for name, value in headers]


@settings(max_examples=400)
@given(HEADS)
def test_what_is_accepted_other_parsers_read_alike(sent: Any) -> None:
    """Both llhttp and h11 see the same method, target, fields and keeping of the connection."""
    block = sent[: sent.find(b"\r\n\r\n") + 4]
    if not block.endswith(b"\r\n\r\n"):
        return
    try:
        head = read_head(block, LIMITS)
    except GatewayError:
        return

    seen = _Seen()
    parser = httptools.HttpRequestParser(seen)
    with suppress(httptools.HttpParserUpgrade):
        parser.feed_data(block)
    assert seen.complete
    assert (parser.get_method().decode(), seen.target.decode()) == (head.method, head.target)
    fields = _lowered((name, value.rstrip(b" \t")) for name, value in seen.headers)
    assert [field for field in fields if field[0] != b"content-length"] == _lowered(head.headers)
    assert [int(value) for name, value in fields if name == b"content-length"] in ([], [head.length])
    assert not head.keep_alive or parser.should_keep_alive()

    other = h11.Connection(h11.SERVER)
    other.receive_data(block)
    event = other.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method.decode(), event.target.decode()) == (head.method, head.target)
    assert len(list(event.headers)) == len(fields)


def _said(head: Head) -> Any:
    framing = (head.length, head.keep_alive, head.expects, head.modern)
    return head.method, head.target, head.headers, head.fields, framing


@given(st.lists(st.sampled_from([b"a", b"Content-Length: 5", b"content-length: 5", b"x: y"]) | PIECES, max_size=6))
def test_a_reader_reads_what_it_would_read_afresh(pieces: Any) -> None:
    """Whatever came before: each head with each other's in mind, and with none."""
    reader = HeadReader()
    heads = [_head(*fields) for fields in (pieces, [b"Content-Length: 12"], pieces, [b"content-length: 3", b"x: y"])]
    heads += [head.replace(b"5", b"77") for head in heads]
    for block in (head[: head.find(b"\r\n\r\n")] for head in heads):
        try:
            fresh = read_head(block + b"\r\n\r\n", LIMITS)
        except GatewayError as error:
            with pytest.raises(type(error)):
                reader.read(block, LIMITS)
        else:
            read = reader.read(block, LIMITS)
            assert _said(read) == _said(fresh)


@given(st.binary(max_size=200) | HEADS)
def test_any_bytes_are_read_or_refused(sent: Any) -> None:
    """Nothing but our own errors comes of whatever is sent, whole or in part."""
    for read in (read_head, check_begun):
        with suppress(GatewayError):
            read(sent, LIMITS)
