"""Cells U16-U18, U20, U21: HTTP workers whose framing is right and whose content is not."""

from __future__ import annotations

import functools
import gzip
from typing import Any

from tests.faults import profile
from tests.faults.back.cells import Cell, both, fatal
from tests.faults.back.http_words import (
    BEGUN,
    DONE,
    EVENTS,
    LAST,
    SSE_HEAD,
    chunk,
    error_body,
    event,
    head,
    plain,
    plain_body,
)
from tests.faults.back.steps import Send, Silence, Wait
from tests.faults.back.verdicts import broken, passed_on, whole

SOON = Wait(0.02)
END = b"0\r\n\r\n"
GZIP = "Content-Encoding: gzip"
SAID = functools.partial(broken, said="one two")
CAP = profile.MIB
HUGE = {"short": 4, "scaled": 16, "full": 64}[profile.SIZE] * profile.MIB
LINES = {"short": 1 << 21, "scaled": 1 << 21, "full": 1 << 22}[profile.SIZE]
QUICK_SECS = profile.secs(5)


def _stream(*events: bytes) -> bytes:
    return SSE_HEAD + b"".join(map(chunk, events)) + END


def ends() -> list[Cell]:
    """U16: only a line of its own ends a stream, and nothing behind it goes through."""
    cells = []
    for variant, text in {"in-text": "a data: [DONE] b", "escaped": 'a "data: [DONE]\n\n" b', "bare": "[DONE]"}.items():
        act = (Send(_stream(event(text), LAST, DONE)),)
        cells.append(Cell("U16", variant, "http", True, act, functools.partial(whole, stream=True, text=text)))
    words = (*EVENTS, LAST)
    crlf = [one.replace(b"\n", b"\r\n") for one in (*words, DONE)]
    acts = {
        "no-space": _stream(*words, b"data:[DONE]\n\n"),
        "crlf": _stream(*crlf),
        "twice": _stream(*words, DONE, DONE),
        "data-after": _stream(*words, DONE, event(" four")),
        "after-in-one-chunk": _stream(b"".join((*words, DONE, event(" four")))),
        "byte-by-byte": SSE_HEAD + b"".join(chunk(bytes([one])) for one in b"".join((*words, DONE))) + END,
    }
    done = functools.partial(whole, stream=True)
    return [*cells, *[Cell("U16", variant, "http", True, (Send(sent),), done) for variant, sent in acts.items()]]


def floods() -> list[Cell]:
    """U17: an event has a size; what exceeds it ends the stream, and takes no more memory than 4 MiB beyond it."""
    block = b"x" * (1 << 16)
    line = Send(chunk(block), times=HUGE >> 16)
    lines = (Send(chunk(b"\n" * (1 << 16)), times=LINES >> 16), Silence())
    long_event = Send(chunk(b"data: " + block + b"\n"), times=10 * CAP >> 16)
    bounds: dict[str, Any] = {"stream": True, "grown_bytes": CAP + 4 * profile.MIB}
    later: dict[str, Any] = {"mode": "http", "want": SAID, **bounds}
    return [
        fatal("U17", "line", (Send(SSE_HEAD), line, Silence()), 502, within_secs=QUICK_SECS + 5, **bounds),
        Cell("U17", "line-later", act=(Send(BEGUN), line, Silence()), **later),
        fatal("U17", "event", (Send(SSE_HEAD), long_event, Silence()), 502, **bounds),
        Cell("U17", "event-later", act=(Send(BEGUN), long_event, Silence()), **later),
        # endless empty lines are no event: the first one is awaited until its clock runs out, in bounded memory
        fatal("U17", "empty-lines", (Send(SSE_HEAD), *lines), 502, 504, **bounds),
    ]


def bodies() -> list[Cell]:
    """U18: a 200 that is no answer is no 200."""
    body = plain_body()
    json_head = "Content-Type: application/json"
    wrong = {
        "text": plain(b"all is well"),
        "html": plain(b"<html><body>Bad Gateway</body></html>", "X-Kind: html"),
        "truncated": plain(body[:-7]),
        "two-documents": plain(body + body),
        "empty": plain(b""),
        "error": plain(error_body()),
        "gzip-unasked": plain(gzip.compress(body), GZIP),
        "utf-16": plain(body.decode().encode("utf-16")),
        "bad-utf-8": plain(body.replace(b"one", b"\xff\xfe\xfd")),
    }
    cells = [cell for variant, sent in wrong.items() for cell in both("U18", variant, (Send(sent),), 502, stream=False)]
    cells.append(
        fatal(
            "U18",
            "chunked",
            (Send(head(json_head, "Transfer-Encoding: chunked") + chunk(b"no") + END),),
            502,
            stream=False,
        )
    )
    return cells


def events() -> list[Cell]:
    """U18 in streams: a first event that is an error is no answer; a later one is the end."""
    error = b"data: " + error_body() + b"\n\n"
    first = (Send(_stream(error, DONE)),)
    later = (Send(BEGUN), SOON, Send(chunk(error) + chunk(DONE) + END))
    silent = (Send(BEGUN), SOON, Send(chunk(error)), Silence())
    zipped = head("Content-Type: text/event-stream", GZIP, "Transfer-Encoding: chunked")
    gzipped = (Send(zipped + chunk(gzip.compress(b"".join((*EVENTS, LAST, DONE)))) + END),)
    html = (Send(plain(b"<html></html>").replace(b"application/json", b"text/html")),)
    return [
        *both("U18", "first-event-error", first, 502, stream=True),
        Cell("U18", "later-event-error", "http", True, later, SAID),
        Cell("U18", "later-event-error-held", "http", True, silent, SAID, within_secs=QUICK_SECS),
        *both("U18", "gzip-unasked", gzipped, 502, stream=True),
        *both("U18", "html", html, 502, stream=True),
        *both("U18", "empty", (Send(SSE_HEAD + END),), 502, stream=True),
    ]


def framing() -> list[Cell]:
    """U20, U21: what is wrapped is framed anew; what is passed through keeps its coding."""
    body = plain_body()
    packed = gzip.compress(body)
    refusal = gzip.compress(error_body())
    asked = {"fields": ("Accept-Encoding: gzip",)}
    bomb = gzip.compress(b"data: " + bytes(HUGE), 9)
    zipped = head("Content-Type: text/event-stream", GZIP, "Transfer-Encoding: chunked")
    return [
        Cell("U20", "gzip-asked", "http", False, (Send(plain(packed, GZIP)),), _same(200, packed), asked=asked),
        Cell(
            "U20",
            "gzip-refusal",
            "http",
            False,
            (Send(plain(refusal, GZIP, status=400)),),
            _same(400, refusal),
            asked=asked,
        ),
        fatal("U20", "wrapped-refusal", (Send(plain(error_body("x" * 999), status=401)),), 502, stream=False),
        fatal("U20", "wrapped-refusal", (Send(plain(error_body("x" * 999), status=401)),), 502, stream=True),
        Cell(
            "U21", "bomb-passes", "http", False, (Send(plain(bomb, GZIP)),), _same(200, bomb), asked=asked, alone=True
        ),
        Cell("U21", "bomb-passes", "http", True, (Send(zipped + chunk(bomb) + END),), _same(200, bomb), asked=asked),
    ]


def _same(status: int, body: bytes):
    return lambda answer: passed_on(answer, status, body)


CELLS = [*ends(), *floods(), *bodies(), *events(), *framing()]
