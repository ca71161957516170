"""Cells U04-U11: HTTP workers that break off, lie about lengths, or garble their framing."""

from __future__ import annotations

import functools

from smg.routers.event_stream import LAST_BYTES_SECS
from tests.faults import profile
from tests.faults.back.cells import Cell, both
from tests.faults.back.http_words import (
    BEGUN,
    EVENTS,
    LAST,
    SSE_HEAD,
    TEXT,
    chunk,
    event,
    head,
    plain,
    plain_body,
)
from tests.faults.back.steps import Close, HalfClose, Reset, Send, Silence, Wait
from tests.faults.back.verdicts import broken, whole

SOON = Wait(0.02)
"""Between what was delivered and the fault, so that they are read apart."""

BODY = plain_body()
SAID = "one two"
LENGTH = f"Content-Length: {len(BODY)}"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
TYPE = "Content-Type: text/event-stream"
GAP = profile.secs(5)
PING = chunk(b": ping\n\n")
LATE = GAP + 0.3 + profile.SLACK_SECS


def before_anything() -> list[Cell]:
    """U04, U05: nothing of the answer, or not all of its head."""
    acts = {
        ("U04", "reset"): (Reset(),),
        ("U05", "in-status-line"): (Send(b"HTTP/1.1 20"), SOON, Reset()),
        ("U05", "in-headers"): (Send(b"HTTP/1.1 200 OK\r\nContent-Ty"), SOON, Reset()),
        ("U05", "in-headers-fin"): (Send(b"HTTP/1.1 200 OK\r\nContent-Ty"), SOON, Close()),
    }
    return [
        cell
        for (case, variant), act in acts.items()
        for stream in (False, True)
        for cell in both(case, variant, act, 502, stream=stream)
    ]


def after_head() -> list[Cell]:
    """U06: the head, and nothing behind it."""
    plain_act = (Send(head(JSON, LENGTH)), SOON, Reset())
    stream_act = (Send(SSE_HEAD), SOON, Reset())
    return [
        *both("U06", "head-reset", plain_act, 502, stream=False),
        *both("U06", "head-reset", stream_act, 502, stream=True),
    ]


def in_plain_body() -> list[Cell]:
    """U07, U10, U11 without a stream: a body that does not become whole."""
    half = BODY[: len(BODY) // 2]
    acts = {
        ("U07", "reset"): (Send(head(JSON, LENGTH) + half), SOON, Reset()),
        ("U07", "fin"): (Send(head(JSON, LENGTH) + half), SOON, Close()),
        ("U10", "no-crlf"): (Send(head(JSON, CHUNKED) + chunk(BODY)[:-2]), SOON, Close()),
        ("U10", "garbage-size"): (Send(head(JSON, CHUNKED) + chunk(half) + b"zz\r\n"), SOON, Silence()),
        ("U10", "no-last-chunk"): (Send(head(JSON, CHUNKED) + chunk(BODY)), SOON, Close()),
        ("U11", "long-by-1-fin"): (Send(head(JSON, f"Content-Length: {len(BODY) + 1}") + BODY), SOON, Close()),
    }
    cells = [cell for (case, variant), act in acts.items() for cell in both(case, variant, act, 502, stream=False)]
    for variant, more in (("long-by-1", 1), ("long-by-1-mib", profile.MIB - len(BODY) - 10)):
        act = (Send(head(JSON, f"Content-Length: {len(BODY) + more}") + BODY), Silence())
        cells += both("U11", variant, act, 502, 504, stream=False, within_secs=LATE)
    return cells


def in_stream() -> list[Cell]:
    """U08-U10 within a stream: what was whole is delivered, then one error event."""
    umlaut = event("ä")
    inside = umlaut.index("ä".encode()) + 1
    acts = {
        ("U08", "in-character"): (Send(BEGUN), SOON, Send(chunk(umlaut[:inside])), SOON, Reset()),
        ("U08", "in-data"): (Send(BEGUN), SOON, Send(chunk(b"dat")), SOON, Reset()),
        ("U08", "in-event"): (Send(BEGUN), SOON, Send(chunk(EVENTS[2][:-2])), SOON, Reset()),
        ("U08", "between-events"): (Send(BEGUN), SOON, Reset()),
        ("U08", "in-first-read"): (Send(BEGUN + chunk(b"data: {")), SOON, Reset()),
        ("U09", "fin-in-chunked"): (Send(BEGUN), SOON, Close()),
        ("U09", "half-close"): (Send(BEGUN), SOON, HalfClose()),
        ("U09", "well-framed"): (Send(BEGUN + b"0\r\n\r\n"),),
        ("U09", "until-close"): (Send(head(TYPE, "Connection: close") + EVENTS[0] + EVENTS[1]), SOON, Close()),
        ("U10", "no-crlf"): (Send(BEGUN + chunk(EVENTS[2][:-1])[:-2]), SOON, Close()),
        ("U10", "garbage-size"): (Send(BEGUN), SOON, Send(b"zz\r\n"), Silence()),
        ("U10", "huge-size"): (Send(BEGUN), SOON, Send(b"f" * 40 + b"\r\n"), Silence()),
    }
    want = functools.partial(broken, said=SAID)
    return [Cell(case, variant, "http", True, act, want) for (case, variant), act in acts.items()]


def complete() -> list[Cell]:
    """U09: a finish reason and no [DONE] is a whole answer; it is finished soon though the worker holds on."""
    finished = BEGUN + chunk(EVENTS[2]) + chunk(LAST)
    acts = {
        "finish-then-end": (Send(finished + b"0\r\n\r\n"),),
        "finish-then-fin": (Send(finished), SOON, Close()),
        "finish-then-reset": (Send(finished), SOON, Reset()),
        "finish-then-silence": (Send(finished), Silence()),
        "finish-then-comments": (Send(finished), *[step for _ in range(100) for step in (Send(PING), Wait(0.1))]),
        "done-then-fin": (Send(finished + chunk(b"data: [DONE]\n\n")), SOON, Close()),
        "done-then-silence": (Send(finished + chunk(b"data: [DONE]\n\n")), Silence()),
    }
    held = {"finish-then-silence", "finish-then-comments"}
    soon = LAST_BYTES_SECS + profile.SLACK_SECS
    return [
        Cell("U09", variant, "http", True, act, _complete, within_secs=soon if variant in held else GAP)
        for variant, act in acts.items()
    ]


def choices() -> list[Cell]:
    """U09 with two choices: one finish reason is not the whole answer, two are, however long the second takes."""
    one = BEGUN + chunk(EVENTS[2]) + chunk(LAST)
    other = chunk(LAST.replace(b'"index": 0', b'"index": 1'))
    asked = {"n": 2}
    said = functools.partial(broken, said=TEXT)
    late = (Send(one), Wait(0.9 * GAP), Send(other), SOON, Reset())
    return [
        Cell("U09", "finish-one-of-two-then-fin", "http", True, (Send(one), SOON, Close()), said, asked=asked),
        Cell("U09", "finish-one-of-two-then-silence", "http", True, (Send(one), Silence()), said, asked=asked),
        Cell("U09", "finish-both-then-reset", "http", True, late, _complete, asked=asked),
    ]


def _complete(answer) -> None:
    assert (answer.status, answer.whole, answer.text, answer.errors) == (200, True, TEXT, [])


def lengths() -> list[Cell]:
    """U07, U11 with a body too large to hold back: its head is out, so it can only be cut short."""
    large = plain_body("x" * (3 * profile.MIB))
    lying = head(JSON, f"Content-Length: {len(large) + 1}")
    reset = (Send(head(JSON, f"Content-Length: {len(large)}") + large[: 2 * profile.MIB]), Wait(0.2), Reset())
    junk = (Send(plain() + b"HTTP/1.1 200 Smuggled\r\nContent-Length: 2\r\n\r\n{}"),)
    return [
        Cell("U07", "large-reset", "http", False, reset, _cut, alone=True),
        Cell("U11", "large-long-by-1", "http", False, (Send(lying + large), SOON, Close()), _cut, alone=True),
        Cell("U11", "short", "http", False, junk, functools.partial(whole, stream=False), alone=True),
    ]


def _cut(answer) -> None:
    assert (answer.status, answer.whole) == (200, False)


CELLS = [*before_anything(), *after_head(), *in_plain_body(), *in_stream(), *complete(), *choices(), *lengths()]
