"""Requests made wrong at random: a grammar of the unusual, then flipped, doubled, lost and swapped bytes.

``SMG_FAULTS_FUZZ`` sets how many are sent, ``SMG_FAULTS_SEED`` which.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.faults.front.requests import CHAT, GOOD_BODY, KEY, LAST, chunk
from tests.faults.profile import SIZE

if TYPE_CHECKING:
    from random import Random

SEED = int(os.environ.get("SMG_FAULTS_SEED", "20"))
FUZZ = int(os.environ.get("SMG_FAULTS_FUZZ", {"short": "600", "scaled": "30000", "full": "1000000"}[SIZE]))

METHODS = [b"POST"] * 20 + [b"GET", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"post", b"P"]
PATHS = [
    *[CHAT.encode()] * 8,
    b"/v1/models",
    b"/v1/completions",
    b"/generate",
    b"/workers",
    b"/v1//chat/completions",
    b"/v1/chat%2fcompletions",
    b"/v1/%63hat/completions",
    b"http://other" + CHAT.encode(),
    b"/v1/chat/completions?a=b&c=%20",
    b"/v1/chat/completions?a b",
    b"/v1/chat/completions??a=%00;&&/../{}|\\^[]",
    b"/../" + CHAT.encode(),
    b"*",
    b"",
]
VERSIONS = [b"HTTP/1.1"] * 20 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"]
HOSTS = [b"Host: gateway"] * 12 + [b"Host: a:1", b"Host:gateway", b"host:\tgateway", b"Host: a@b", b"Host: [::1]", b""]
ENDS = [b"\r\n"] * 200 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n"]
FIELDS = [
    b"X-Note: 1",
    b"X-Note:",
    b"X-Note :1",
    b"X-Note: \xe9",
    b" folded: 1",
    b"Connection: close",
    b"Connection: keep-alive, x-note",
    b"Connection: Content-Length",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Content-Encoding: identity",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"Trailer: X-Note",
    b"TE: trailers",
    b"X-Forwarded-For: 1.1.1.1",
    b"X-Script: wait 0",
    b"X-Request-Id: a b",
    b"Cookie: a=b; c=d",
    b"X-Long: " + b"x" * 9_000,
    b"X-Wide: " + b"x" * 8_000,
    b"X!#$%&'*+.^_`|~-1: 1",
    b"X_Note: 1",
    b"Content_Length: 5",
    b"Transfer_Encoding: chunked",
    b"X-Note: \xc3\xa9\xf0\x9f\x98\x80",
    b"X-Note: a\tb \t",
    b"Range: bytes=0-1",
    b"Sec-WebSocket-Key: a",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
    b"X-HTTP-Method-Override: GET",
    b"X-Original-URL: /other",
]


def mutant(rng: Random) -> bytes:
    """Return one request; about half are as good as new."""
    sent = made(rng)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 5))):
        sent = bent(rng, sent)
    return sent


def made(rng: Random) -> bytes:
    """Return one by the grammar."""
    whole = rng.random() < 0.7
    framing = b"Content-Length: %d" % len(GOOD_BODY) if whole else b"Transfer-Encoding: chunked"
    cut = rng.randrange(1, len(GOOD_BODY))
    body = GOOD_BODY if whole else chunk(GOOD_BODY[:cut]) + chunk(GOOD_BODY[cut:]) + LAST
    lines = [
        b" ".join((rng.choice(METHODS), rng.choice(PATHS), rng.choice(VERSIONS))),
        rng.choice(HOSTS),
        f"Authorization: Bearer {KEY}".encode(),
        b"Content-Type: application/json",
        framing,
        *rng.sample(FIELDS, rng.choice((0, 0, 0, 1, 2))),
    ]
    if rng.random() < 0.2:
        rest = lines[1:]
        rng.shuffle(rest)
        lines[1:] = rest
    return b"".join(line + rng.choice(ENDS) for line in lines if line) + b"\r\n" + body


def bent(rng: Random, sent: bytes) -> bytes:
    """Flip, lose, double, insert or swap some bytes."""
    start = rng.randrange(len(sent))
    end = min(len(sent), start + rng.choice((1, 1, 1, 2, 8, 64)))
    match rng.randrange(5):
        case 0:
            return sent[:start] + bytes([sent[start] ^ (1 << rng.randrange(8))]) + sent[start + 1 :]
        case 1:
            return sent[:start] + sent[end:]
        case 2:
            return sent[:end] + sent[start:]
        case 3:
            return sent[:start] + rng.randbytes(end - start) + sent[start:]
        case _:
            return sent[:start] + rng.choice((b"\r\n", b"\n", b"\0", b" ", b":", b",", b"\t")) + sent[end:]


def split(rng: Random, sent: bytes) -> list[bytes]:
    """Cut half of all requests in up to five pieces."""
    spots = sorted(rng.randrange(len(sent) + 1) for _ in range(rng.choice((0, 0, 0, 1, 2, 4))))
    return [sent[start:end] for start, end in zip([0, *spots], [*spots, len(sent)], strict=True)]
