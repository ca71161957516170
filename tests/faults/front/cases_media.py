"""J08, J09, J11: bodies that say they are something else, or are packed."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from tests.faults.front.refusals import Refusal
from tests.faults.front.requests import GOOD_BODY, chunk, chunked, head, request

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    "text": b"text/plain",
    "form": b"application/x-www-form-urlencoded",
    "multipart-without-boundary": b"multipart/form-data",
    "octets": b"application/octet-stream",
    "xml": b"application/xml",
    "json-charset-x": b"application/json; charset=x",
    "json-suffix": b"application/problem+json",
    "jsonp": b"application/jsonp",
    "json-comma": b"application/json, text/plain",
    "empty": b"",
    "star": b"*/*",
    "nonsense": b"\xff\xfe",
}
BOUNDARY = b"multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\nx\r\n'
PARTS = {
    "10000-parts": PART % b"a" * 10_000 + b"--b--\r\n",
    "1-mib-part-header": b"--b\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\nx\r\n--b--\r\n",
    "dot-dot-name": PART % b"../../../../tmp/smg-fault" + b"--b--\r\n",
    "absolute-name": PART % b"/tmp/smg-fault" + b"--b--\r\n",
    "crlf-in-name": PART % b"a\r\nX-Injected: 1" + b"--b--\r\n",
    "nul-in-name": PART % b"a\x00b" + b"--b--\r\n",
    "boundary-never-ends": b"--" + b"b" * 100_000,
    "no-end": PART % b"a",
    "no-name": b"--b\r\n\r\nx\r\n--b--\r\n",
    "empty": b"",
}


def kinds() -> Iterator[Refusal]:
    """J08: content types that are not JSON."""
    for name, kind in KINDS.items():
        yield Refusal(f"J08-{name}", request(GOOD_BODY, kind=kind), statuses=(415, 400), closes=False)
    yield Refusal(
        "J08-missing", head(b"Content-Length: %d" % len(GOOD_BODY)) + GOOD_BODY, statuses=(415, 400), closes=False
    )
    twice = request(GOOD_BODY, b"Content-Type: text/plain")
    yield Refusal("J08-two-kinds", twice, statuses=(415, 400), closes=False)


def packed() -> Iterator[Refusal]:
    """J09: compressed bodies, real and pretended, and a bomb."""
    once = gzip.compress(GOOD_BODY)
    bodies = {
        "gzip": (b"gzip", once),
        "x-gzip": (b"x-gzip", once),
        "deflate": (b"deflate", zlib.compress(GOOD_BODY)),
        "br": (b"br", GOOD_BODY),
        "zstd": (b"zstd", GOOD_BODY),
        "double-gzip": (b"gzip, gzip", gzip.compress(once)),
        "wrong-label": (b"gzip", GOOD_BODY),
        "upper-case": (b"GZIP", once),
        "identity-gzip": (b"identity, gzip", once),
        "unknown": (b"rot13", GOOD_BODY),
        "bomb": (b"gzip", gzip.compress(bytes(8 << 20))),
    }
    for name, (label, body) in bodies.items():
        sent = request(body, b"Content-Encoding: " + label)
        yield Refusal(f"J09-{name}", sent, statuses=(415,), closes=False)
        pieces = chunked(chunk(body), b"0\r\n\r\n", lines=(b"Content-Encoding: " + label,))
        yield Refusal(f"J09-{name}-chunked", pieces, statuses=(415,), closes=False)


def parts() -> Iterator[Refusal]:
    """J11: multipart bodies, which no endpoint of ours takes."""
    for name, body in PARTS.items():
        yield Refusal(f"J11-{name}", request(body, kind=BOUNDARY), statuses=(415,), closes=False)


def all_media() -> Iterator[Refusal]:
    """Everything of this file."""
    for group in (kinds, packed, parts):
        yield from group()
