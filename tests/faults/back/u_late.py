"""Cells U14, U15: HTTP workers that are late, silent, or only pretend to live."""

from __future__ import annotations

import functools
from typing import Any

from tests.faults import profile
from tests.faults.back.cells import Cell, fatal, retried
from tests.faults.back.http_words import BEGUN, DONE, EVENTS, LAST, SSE_HEAD, chunk, good, plain
from tests.faults.back.steps import Send, Silence, Wait
from tests.faults.back.verdicts import broken, whole

FIRST = profile.secs(5)
TOTAL = profile.secs(60)
SLACK = 0.3 + profile.SLACK_SECS
FREED_SECS = profile.at_most(0.25)
NEAR = {"short": 0.6, "scaled": 0.9, "full": 0.98}[profile.SIZE]
"""Share of a deadline at which an answer is still in time; nearer to it as times grow."""


def _timed(case: str, variant: str, act, *, stream: bool, secs: float) -> Cell:
    return fatal(
        case, variant, act, 504, stream=stream, no_sooner_secs=secs, within_secs=secs + SLACK, freed_secs=FREED_SECS
    )


def _again(case: str, variant: str, act, *, stream: bool) -> Cell:
    return retried(case, variant, act, stream=stream, within_secs=FIRST + SLACK, freed_secs=FREED_SECS)


def first_byte() -> list[Cell]:
    """U14: no head in time."""
    cells = []
    for stream in (False, True):
        late = (Wait(FIRST * 1.02 + 0.1), *good(stream=stream))
        near = (Wait(FIRST * NEAR), *good(stream=stream))
        fine = functools.partial(whole, stream=stream)
        cells += [
            _timed("U14", "never", (Silence(),), stream=stream, secs=FIRST),
            _timed("U14", "too-late", late, stream=stream, secs=FIRST),
            Cell("U14", "in-time", "http", stream, near, fine, no_sooner_secs=FIRST * NEAR),
            _again("U14", "never", (Silence(),), stream=stream),
        ]
    return cells


def first_token() -> list[Cell]:
    """U14: a head in time, and then no event; comments do not count as one."""
    mute = (Send(SSE_HEAD), Silence())
    chatty = (Send(SSE_HEAD), *[step for _ in range(60) for step in (Send(chunk(b": ping\n\n")), Wait(FIRST / 10))])
    return [
        _timed("U14", "head-only", mute, stream=True, secs=FIRST),
        _timed("U14", "comments-only", chatty, stream=True, secs=FIRST),
        _again("U14", "head-only", mute, stream=True),
        _again("U14", "comments-only", chatty, stream=True),
    ]


def gaps() -> list[Cell]:
    """U15: silence after output ends at the gap; comments keep a stream alive up to the total."""
    rest = (*map(chunk, (EVENTS[2], LAST, DONE)), b"0\r\n\r\n")
    alive = (Send(BEGUN), *[step for _ in range(100) for step in (Send(chunk(b": ping\n\n")), Wait(FIRST / 5))])
    slow = (Send(BEGUN), Wait(FIRST * NEAR), Send(b"".join(rest)))
    said = functools.partial(broken, said="one two")
    held: dict[str, Any] = {"no_sooner_secs": FIRST, "within_secs": FIRST + SLACK, "freed_secs": FREED_SECS}
    whole_time: dict[str, Any] = {"no_sooner_secs": TOTAL, "within_secs": TOTAL + SLACK, "freed_secs": FREED_SECS}
    half = (Send(plain()[:-20]), Silence())
    return [
        Cell("U15", "silence", "http", True, (Send(BEGUN), Silence()), said, **held),
        Cell("U15", "in-time", "http", True, slow, functools.partial(whole, stream=True)),
        Cell("U15", "keep-alives", "http", True, alive, said, **whole_time),
        _timed("U15", "silence", half, stream=False, secs=FIRST),
        _again("U15", "silence", half, stream=False),
    ]


CELLS = [*first_byte(), *first_token(), *gaps()]
