"""P06-P09, P12-P14: the head's lines, one by one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.faults.front.refusals import Refusal
from tests.faults.front.requests import CHAT, GOOD_BODY, GOOD_REQUEST, KEY, head, request

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROLS = [byte for byte in range(0x20) if byte != 0x09]
AUTH = f"Authorization: Bearer {KEY}\r\n".encode()
REST = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(GOOD_BODY)
HOSTS = {
    "userinfo": b"a@b",
    "two-colons": b"a:b:c",
    "slash": b"a/b",
    "space": b"a b",
    "open-bracket": b"[::1",
    "300-characters": b"a" * 300,
    "non-ascii": "hös".encode(),
    "latin-1": b"h\xf6s",
    "port-letters": b"a:8x",
    "port-empty-colon": b"a::80",
    "comma": b"a,b",
    "question": b"a?b",
    "hash": b"a#b",
    "backslash": b"a\\b",
    "percent": b"a%00b",
    "userinfo-and-path": b"a@b:c/d",
    "scheme": b"http://a",
    "quote": b'a"b',
    "angle": b"<a>",
    "brace": b"{a}",
}
VERSIONS = ("0.9", "1.2", "1.32", "2.0", "3.0", "1", "11", "1.", ".1", "a.b", "1.1x", "01.1", "-1.1")
METHODS = {
    "lower-case": "get",
    "mixed-case": "Post",
    "paren": "GE(T",
    "comma": "GET,POST",
    "slash": "GE/T",
    "colon": "GET:",
    "9-kb": "G" * 9216,
    "trace": "TRACE",
    "connect": "CONNECT",
    "pri": "PRI",
    "unknown": "FETCH",
    "empty": "",
    "quote": 'GE"T',
    "bracket": "[GET]",
    "non-ascii": "GËT",
}


def raw(first: bytes, *lines: bytes) -> bytes:
    """Return a request with this first line and these instead of a Host."""
    return first + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + AUTH + REST + b"\r\n" + GOOD_BODY


def posted(*lines: bytes) -> bytes:
    """Return a good request line with these lines in the place of the Host."""
    return raw(f"POST {CHAT} HTTP/1.1".encode(), *lines)


def spaces() -> Iterator[Refusal]:
    """P06: space where none may be."""
    lines = {
        "space-before-colon": b"X-Note : 1",
        "tab-before-colon": b"X-Note\t: 1",
        "space-in-name": b"X Note: 1",
        "obs-fold-space": b"X-Note: 1\r\n 2",
        "obs-fold-tab": b"X-Note: 1\r\n\t2",
        "obs-fold-empty": b"X-Note: 1\r\n  ",
        "no-colon": b"X-Note",
        "empty-name": b": 1",
        "host-space": b"Host : gateway",
    }
    for name, line in lines.items():
        yield Refusal(f"P06-{name}", request(GOOD_BODY, line))
        yield Refusal(f"P06-{name}-before-a-good-one", request(GOOD_BODY, line) + GOOD_REQUEST)
    first = f"POST {CHAT} HTTP/1.1".encode()
    yield Refusal("P06-leading-space-on-first-field", raw(first, b" Host: gateway"))
    yield Refusal("P06-leading-tab-on-first-field", raw(first, b"\tHost: gateway"))
    yield Refusal("P06-two-spaces-in-request-line", raw(f"POST  {CHAT} HTTP/1.1".encode(), b"Host: gateway"))
    yield Refusal("P06-tab-in-request-line", raw(f"POST\t{CHAT}\tHTTP/1.1".encode(), b"Host: gateway"))
    yield Refusal("P06-space-after-version", raw(first + b" ", b"Host: gateway"))
    yield Refusal("P06-space-before-method", raw(b" " + first, b"Host: gateway"))


def controls() -> Iterator[Refusal]:
    """P07: control bytes in names, values, targets and methods; bare line ends."""
    for byte in CONTROLS:
        spot = bytes([byte])
        yield Refusal(f"P07-name-{byte:02x}", request(GOOD_BODY, b"X-No" + spot + b"te: 1"))
        yield Refusal(f"P07-value-{byte:02x}", request(GOOD_BODY, b"X-Note: a" + spot + b"b"))
        target = f"POST {CHAT}".encode() + spot + b"x HTTP/1.1"
        yield Refusal(f"P07-target-{byte:02x}", raw(target, b"Host: gateway"))
        yield Refusal(f"P07-method-{byte:02x}", raw(f"PO{chr(byte)}ST {CHAT} HTTP/1.1".encode(), b"Host: gateway"))
    yield Refusal("P07-name-7f", request(GOOD_BODY, b"X-No\x7fte: 1"))
    yield Refusal("P07-value-7f", request(GOOD_BODY, b"X-Note: a\x7fb"))
    yield Refusal("P07-name-80", request(GOOD_BODY, b"X-No\x80te: 1"))
    lf = GOOD_REQUEST.replace(b"\r\n", b"\n")
    yield Refusal("P07-bare-lf-everywhere", lf)
    yield Refusal("P07-bare-lf-after-request-line", GOOD_REQUEST.replace(b"\r\n", b"\n", 1))
    yield Refusal("P07-bare-lf-at-head-end", GOOD_REQUEST.replace(b"\r\n\r\n", b"\n\n", 1))
    yield Refusal("P07-bare-lf-in-the-last-line-end", GOOD_REQUEST.replace(b"\r\n\r\n", b"\r\n\n", 1))
    yield Refusal("P07-bare-cr-everywhere", GOOD_REQUEST.replace(b"\r\n", b"\r") + b"\r\n\r\n")


def hosts() -> Iterator[Refusal]:
    """P08, P09: one host, well formed."""
    yield Refusal("P08-none", posted())
    yield Refusal("P08-two-same", posted(b"Host: gateway", b"Host: gateway"))
    yield Refusal("P08-two-different", posted(b"Host: gateway", b"Host: other"))
    yield Refusal("P08-two-cases", posted(b"Host: gateway", b"HOST: gateway"))
    yield Refusal("P08-empty", posted(b"Host:"))
    yield Refusal("P08-blank", posted(b"Host:  "))
    for name, value in HOSTS.items():
        yield Refusal(f"P09-{name}", posted(b"Host: " + value))


def versions() -> Iterator[Refusal]:
    """P12: what is not HTTP/1.0 or HTTP/1.1."""
    yield Refusal("P12-http-0.9-line", f"GET {CHAT}\r\n".encode(), statuses=(400, 505))
    yield Refusal("P12-http-0.9-line-and-blank", f"GET {CHAT}\r\n\r\n".encode(), statuses=(400, 505))
    yield Refusal("P12-http-0.9-post", f"POST {CHAT}\r\n\r\n".encode() + GOOD_BODY, statuses=(400, 505))
    for version in VERSIONS:
        sent = raw(f"POST {CHAT} HTTP/{version}".encode(), b"Host: gateway")
        yield Refusal(f"P12-version-{version}", sent, statuses=(400, 505))
    for name in ("http/1.1", "HTTPS/1.1", "ICE/1.0", "RTSP/1.0", "HTTP 1.1"):
        sent = raw(f"POST {CHAT} {name}".encode(), b"Host: gateway")
        yield Refusal(f"P12-protocol-{name.replace('/', '-').replace(' ', '-')}", sent, statuses=(400, 505))


def strangers() -> Iterator[Refusal]:
    """P13: other protocols on the plain port."""
    noise = random.Random(13).randbytes(65536)
    hello = bytes.fromhex("16030100c8010000c40303") + noise[:189]
    talk = {
        "h2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "tls-hello": hello,
        "ssh-banner": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        "random-64k": noise,
        "random-line": b"\xff" + noise[:500].replace(b"\n", b"") + b"\r\n\r\n",
        "smtp": b"EHLO gateway\r\n",
        "redis": b"*1\r\n$4\r\nPING\r\n",
        "socks5": b"\x05\x01\x00\r\n\r\n",
        "proxy-v1": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GOOD_REQUEST,
        "proxy-v2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + GOOD_REQUEST,
    }
    for name, sent in talk.items():
        yield Refusal(f"P13-{name}", sent, statuses=(400, 505, 431), silent=True)


def methods() -> Iterator[Refusal]:
    """P14: methods nobody serves."""
    for name, method in METHODS.items():
        sent = raw(f"{method} {CHAT} HTTP/1.1".encode(), b"Host: gateway")
        yield Refusal(f"P14-{name}", sent, statuses=(400, 405, 414, 431, 501), closes=name == "connect")
    tunnel = head(method="CONNECT", path="example.org:443") + GOOD_REQUEST
    yield Refusal("P14-connect-tunnel", tunnel, statuses=(400, 405))
    yield Refusal("P14-options-star", head(b"Connection: close", method="OPTIONS", path="*"), statuses=(400, 405))


def all_heads() -> Iterator[Refusal]:
    """Everything of this file."""
    for group in (spaces, controls, hosts, versions, strangers, methods):
        yield from group()
