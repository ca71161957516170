"""P01-P05, P10-P11: where a message ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.front.refusals import Refusal
from tests.faults.front.requests import GOOD_BODY, GOOD_REQUEST, LAST, chunk, chunked, head, request

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = b"Content-Type: application/json"
LENGTH = b"Content-Length: %d" % len(GOOD_BODY)
CHUNKED = b"Transfer-Encoding: chunked"
WHOLE = chunk(GOOD_BODY) + LAST

LENGTHS = {
    "plus-sign": b"+%d",
    "minus-sign": b"-%d",
    "list-of-equal": b"%d, %d",
    "hex": b"0x%x",
    "underscore": b"1_%d",
    "leading-dot": b".%d",
    "trailing-letter": b"%d x",
    "trailing-semicolon": b"%d;",
    "quoted": b'"%d"',
    "float": b"%d.0",
    "exponent": b"%de0",
    "word": b"all",
    "tab-inside": b"%d\t0",
}
CODINGS = {
    "xchunked": b"xchunked",
    "chunked-identity": b"chunked, identity",
    "chunked-chunked": b"chunked, chunked",
    "chunked-comma": b"chunked,",
    "comma-chunked": b", chunked",
    "vertical-tab-before": b"\x0bchunked",
    "vertical-tab-after": b"chunked\x0b",
    "nul-after": b"chunked\x00",
    "nul-before": b"\x00chunked",
    "form-feed": b"\x0cchunked",
    "identity": b"identity",
    "quoted": b'"chunked"',
    "parameter": b"chunked;a=b",
    "nbsp": b"\xa0chunked",
    "empty": b"",
    "gzip": b"gzip",
    "prefix": b"chunke",
    "suffix": b"chunkedx",
}
STACKED = {
    "gzip-chunked": b"gzip, chunked",
    "deflate-chunked": b"deflate, chunked",
    "br-chunked": b"br, chunked",
    "identity-chunked": b"identity, chunked",
    "x-chunked": b"x, chunked",
}
CHUNKS = {
    "bare-lf-after-size": b"%x\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "bare-lf-after-data": b"%x\r\n%b\n" % (len(GOOD_BODY), GOOD_BODY),
    "hex-prefix": b"0x%x\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "underscore": b"1_0\r\n" + GOOD_BODY[:16] + b"\r\n",
    "plus": b"+%x\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "minus": b"-%x\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "17-digits": b"1" + b"0" * 16 + b"\r\n" + GOOD_BODY + b"\r\n",
    "20-digits": b"f" * 20 + b"\r\n" + GOOD_BODY + b"\r\n",
    "wrong-tail": b"%x\r\n%bXX" % (len(GOOD_BODY), GOOD_BODY),
    "longer-than-said": b"%x\r\n%b\r\n" % (len(GOOD_BODY) - 1, GOOD_BODY),
    "lf-in-extension": b"%x;a=\nb\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "cr-in-extension": b"%x;a=\rb\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "nul-in-extension": b"%x;a=\x00b\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "9k-extension": b"%x;a=%b\r\n%b\r\n" % (len(GOOD_BODY), b"x" * 9216, GOOD_BODY),
    "empty-size": b"\r\n" + GOOD_BODY + b"\r\n",
    "letter-size": b"g\r\n" + GOOD_BODY + b"\r\n",
    "space-before-size": b" %x\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
    "size-space-digit": b"%x 0\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY),
}


def conflicts() -> Iterator[Refusal]:
    """P01: a length and chunks in one head."""
    heads = {
        "length-first": (LENGTH, CHUNKED),
        "chunked-first": (CHUNKED, LENGTH),
        "length-zero": (b"Content-Length: 0", CHUNKED),
        "upper-case": (LENGTH, b"TRANSFER-ENCODING: CHUNKED"),
        "length-four": (CHUNKED, b"Content-Length: 4"),
    }
    for name, lines in heads.items():
        bad = head(JSON, *lines) + WHOLE
        yield Refusal(f"P01-{name}", bad)
        yield Refusal(f"P01-{name}-before-a-good-one", bad + GOOD_REQUEST)
        yield Refusal(f"P01-{name}-behind-a-good-one", GOOD_REQUEST + bad + GOOD_REQUEST, before=1)


def lengths() -> Iterator[Refusal]:
    """P02: lengths that two readers could read differently."""
    size = len(GOOD_BODY)
    for name, form in LENGTHS.items():
        value = form.replace(b"%d", b"%d" % size).replace(b"%x", b"%x" % size)
        yield Refusal(f"P02-{name}", head(JSON, b"Content-Length: " + value) + GOOD_BODY)
    twice = {"equal-twice": (size, size), "different": (size, size - 1), "different-swapped": (size - 1, size)}
    for name, pair in twice.items():
        yield Refusal(f"P02-{name}", head(JSON, *(b"Content-Length: %d" % each for each in pair)) + GOOD_BODY)
    for name, value in {"23-digits": b"1" * 23, "empty": b"", "2-to-64": b"18446744073709551616"}.items():
        yield Refusal(f"P02-{name}", head(JSON, b"Content-Length: " + value) + GOOD_BODY, statuses=(400,))


def codings() -> Iterator[Refusal]:
    """P03, P04: transfer codings that are not exactly ``chunked``."""
    for name, value in CODINGS.items():
        yield Refusal(f"P03-{name}", head(JSON, b"Transfer-Encoding: " + value) + WHOLE, statuses=(400, 501))
    yield Refusal("P03-doubled", head(JSON, CHUNKED, CHUNKED) + WHOLE, statuses=(400, 501))
    yield Refusal("P03-doubled-with-identity", head(JSON, CHUNKED, b"Transfer-Encoding: identity") + WHOLE)
    yield Refusal("P03-space-in-name", head(JSON, b"Transfer-Encoding : chunked") + WHOLE)
    yield Refusal("P03-folded", head(JSON, b"Transfer-Encoding:\r\n chunked") + WHOLE)
    for name, value in STACKED.items():
        yield Refusal(f"P04-{name}", head(JSON, b"Transfer-Encoding: " + value) + WHOLE, statuses=(400, 501))


def old_versions() -> Iterator[Refusal]:
    """P05: chunks in HTTP/1.0, which knows none."""
    for name, lines in {"plain": (), "keep-alive": (b"Connection: keep-alive",)}.items():
        yield Refusal(f"P05-{name}", head(JSON, CHUNKED, *lines, version="1.0") + WHOLE)


def chunks() -> Iterator[Refusal]:
    """P10: chunks that two readers could end differently."""
    for name, data in CHUNKS.items():
        yield Refusal(f"P10-{name}", chunked(data, LAST))
        yield Refusal(f"P10-{name}-before-a-good-one", chunked(data, LAST, GOOD_REQUEST))


def trailers() -> Iterator[Refusal]:
    """P11: trailers that break the message; the rest of P11 is about what may pass and is dropped."""
    broken = {
        "space-before-colon": b"X-T : 1\r\n",
        "bare-lf": b"X-T: 1\n",
        "control-byte": b"X-T: \x01\r\n",
        "no-colon": b"X-T\r\n",
        "folded": b"X-T: 1\r\n 2\r\n",
    }
    for name, line in broken.items():
        yield Refusal(f"P11-{name}", chunked(chunk(GOOD_BODY), b"0\r\n", line, b"\r\n"))


def all_framing() -> Iterator[Refusal]:
    """Everything of this file."""
    for group in (conflicts, lengths, codings, old_versions, chunks, trailers):
        yield from group()


def good_variants() -> dict[str, bytes]:
    """Return requests that are unusual and right."""
    return {
        "chunked": chunked(chunk(GOOD_BODY), LAST),
        "chunked-upper-case": head(JSON, b"Transfer-Encoding: CHUNKED") + WHOLE,
        "two-chunks": chunked(chunk(GOOD_BODY[:9]), chunk(GOOD_BODY[9:]), LAST),
        "leading-zeros": chunked(b"000" + chunk(GOOD_BODY), LAST),
        "short-extension": chunked(b"%x;a=b\r\n%b\r\n" % (len(GOOD_BODY), GOOD_BODY), LAST),
        "no-space-after-colon": request(GOOD_BODY, b"X-Note:1"),
        "empty-value": request(GOOD_BODY, b"X-Note:"),
        "upper-case-names": request(GOOD_BODY, b"X-NOTE: 1"),
    }
