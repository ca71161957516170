"""Cells U23, U24: HTTP workers that refuse, in all the ways a status can."""

from __future__ import annotations

import functools

from tests.faults import profile
from tests.faults.back.cells import Cell, fatal, retried
from tests.faults.back.http_words import BEGUN, chunk, error_body, plain
from tests.faults.back.steps import Send, Silence, Wait
from tests.faults.back.verdicts import broken, passed_on

KEY = "sk-worker-canary-0123456789"
PASSED = (400, 404, 409, 422)
OURS = (401, 403)
"""What is wrong between gateway and worker is no caller's fault."""

BUSY = (429, 503)
FAILED = (500, 529)
SAID = error_body()
LONGEST_SECS = 5.0
SOON_SECS = 0.1 + 0.3 + profile.SLACK_SECS
"""The profile's longest wait of our own before a retry, and 300 ms."""


def _act(status: int, *fields: str) -> tuple[Send, ...]:
    return (Send(plain(SAID, *fields, status=status)),)


def _as_it_came(status: int, retry_after: str | None, body: bytes = SAID):
    def check(answer) -> None:
        passed_on(answer, status, body)
        assert answer.field("retry-after") == retry_after

    return check


def statuses() -> list[Cell]:
    """U23: every status, with and without Retry-After."""
    cells = []
    for stream in (False, True):
        for after in (None, "1"):
            cells += _statuses(after, stream=stream)
    return cells


def _statuses(after: str | None, *, stream: bool) -> list[Cell]:
    fields = () if after is None else (f"Retry-After: {after}",)
    name = "" if after is None else "-retry-after"
    passed = [
        Cell("U23", f"{status}{name}", "http", stream, _act(status, *fields), _as_it_came(status, after))
        for status in PASSED
    ]
    final = [
        Cell("U23", f"{status}{name}", "http", stream, _act(status, *fields), _as_it_came(status, after), alone=True)
        for status in (*BUSY, 408, *FAILED)
    ]
    asked = 0.0 if after is None else float(after)
    again = [_waited(f"{status}{name}", _act(status, *fields), asked, stream=stream) for status in (*BUSY, *FAILED)]
    again += [retried("U23", f"{status}{name}", _act(status, *fields), stream=stream) for status in OURS]
    ours = [fatal("U23", f"{status}{name}", _act(status, *fields), 502, stream=stream) for status in OURS]
    return [*passed, *final, *again, *ours]


def _waited(variant: str, act: tuple[Send, ...], secs: float, *, stream: bool) -> Cell:
    """Return the cell of a worker whose wish to be left alone for so long is honoured before another is asked."""
    return retried("U23", variant, act, stream=stream, no_sooner_secs=secs, within_secs=secs + SOON_SECS)


def patience() -> list[Cell]:
    """U23: a Retry-After of a minute is honoured up to 5 s; a date is not followed, since machines' clocks differ."""
    date = "Retry-After: Fri, 31 Dec 2049 23:59:59 GMT"
    return [
        _waited("429-retry-after-long", _act(429, "Retry-After: 60"), LONGEST_SECS, stream=False),
        _waited("503-retry-after-date", _act(503, date), 0.0, stream=False),
    ]


def echoes() -> list[Cell]:
    """U24: an error that holds the worker's key is not shown; any other goes through as it is."""
    settings = {"worker_defaults": {"api_key": KEY}}
    trace = error_body("Traceback (most recent call last): 10.0.0.7:8000 refused")
    cells = []
    for stream in (False, True):
        for status in (400, 422):
            told = (Send(plain(error_body(f"bad key Bearer {KEY}"), status=status)),)
            cells.append(Cell("U24", f"key-{status}", "http", stream, told, _no_key(status), settings=settings))
        shown = (Send(plain(trace, status=400)),)
        check = _as_it_came(400, None, trace)
        cells.append(Cell("U24", "trace-400", "http", stream, shown, check, settings=settings))
        told = (Send(plain(error_body(KEY), status=401)),)
        cells.append(fatal("U24", "key-401", told, 502, stream=stream, settings=settings))
        told = (Send(plain(error_body(KEY), status=500)),)
        cells.append(Cell("U24", "key-500", "http", stream, told, _no_key(500, 502), settings=settings, alone=True))
        in_head = (Send(plain(SAID, f"X-Debug: {KEY}", status=400)),)
        escaped = KEY.replace("k", "\\u006b").encode()
        told = (Send(plain(error_body(KEY).replace(KEY.encode(), escaped), status=400)),)
        cells.append(Cell("U24", "key-escaped", "http", stream, told, _no_key(400), settings=settings))
        cells.append(Cell("U24", "key-in-field", "http", stream, in_head, _no_key(400), settings=settings))
    later = (Send(BEGUN), Wait(0.02), Send(chunk(b"data: " + error_body(KEY) + b"\n\n")), Silence())
    said = functools.partial(broken, said="one two")
    cells.append(Cell("U24", "key-in-later-event", "http", True, later, _all(said, _hidden), settings=settings))
    blamed = (Send(plain(error_body(KEY, code=422))),)
    cells.append(Cell("U24", "key-in-200", "http", False, blamed, _no_key(422), settings=settings))
    return cells


def _all(*checks):
    def check(answer) -> None:
        for one in checks:
            one(answer)

    return check


def _hidden(answer) -> None:
    assert KEY.encode() not in answer.body
    assert not [value for _, value in answer.fields if KEY in value]


def _no_key(*statuses: int):
    def check(answer) -> None:
        assert answer.status in {*statuses, 502}
        _hidden(answer)
        assert KEY not in answer.json["error"]["message"]
        assert answer.field("x-request-id")

    return check


CELLS = [*statuses(), *patience(), *echoes()]
