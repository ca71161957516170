"""Cells G01-G05, G07: gRPC workers that answer in another tongue, refuse, break off, or send what cannot be read."""

from __future__ import annotations

import functools
import gzip
import zlib
from typing import Any

from h2.errors import ErrorCodes

from smg.stubs import sglang_scheduler_pb2 as pb
from tests.faults import profile
from tests.faults.back import grpc_words as words
from tests.faults.back.cells import Cell, fatal, retried
from tests.faults.back.grpc_words import THREE
from tests.faults.back.http_words import TEXT
from tests.faults.back.steps import Close, Freeze, GoAway, Message, Reset, ResetStream, Send, Silence, Status, Wait
from tests.faults.back.verdicts import broken, refused, whole

SOON = Wait(0.02)
FIRST = profile.secs(5)
SLACK = 0.3 + profile.SLACK_SECS
LIMIT = 16 * profile.MIB
UNHURRIED: dict[str, Any] = {"worker_defaults": {"timeouts": {"first_byte_secs": 10, "first_token_secs": 10}}}
STATUSES = {
    words.OK: (502,),  # the end of a call that owes an answer
    words.CANCELLED: (502,),
    words.UNKNOWN: (502,),
    words.INVALID_ARGUMENT: (400,),
    words.DEADLINE_EXCEEDED: (504,),
    words.NOT_FOUND: (502,),  # the engine's objects are none of the caller's
    words.ALREADY_EXISTS: (502,),
    words.PERMISSION_DENIED: (502,),  # as 401 and 403 of HTTP: between gateway and worker
    words.RESOURCE_EXHAUSTED: (429, 503),
    words.FAILED_PRECONDITION: (400,),
    words.ABORTED: (502,),
    words.OUT_OF_RANGE: (400,),
    words.UNIMPLEMENTED: (502,),
    words.INTERNAL: (502,),
    words.UNAVAILABLE: (502, 503),
    words.DATA_LOSS: (502,),
    words.UNAUTHENTICATED: (502,),
}
"""What a caller gets for each status before the first message, where nobody else can serve it."""

TRIED_AGAIN = (
    words.CANCELLED,
    words.UNKNOWN,
    words.DEADLINE_EXCEEDED,
    words.RESOURCE_EXHAUSTED,
    words.ABORTED,
    words.INTERNAL,
    words.UNAVAILABLE,
    words.DATA_LOSS,
)
CODES = dict.fromkeys(ErrorCodes, (502,)) | {
    ErrorCodes.ENHANCE_YOUR_CALM: (429, 503),
}
"""The same for each RST_STREAM: by the gRPC status it stands for."""

SAID = functools.partial(broken, said=TEXT)


def statuses() -> list[Cell]:
    """G05: all statuses, before the first message and after three."""
    cells = []
    for code, expected in STATUSES.items():
        cells += [
            fatal("G05", f"{code}-first", (Status(code),), *expected, mode="grpc", stream=stream)
            for stream in (False, True)
        ]
        cells.append(Cell("G05", f"{code}-later", "grpc", True, (*THREE, SOON, Status(code)), SAID))
        want = functools.partial(refused_by, expected)
        cells.append(Cell("G05", f"{code}-later", "grpc", False, (*THREE, Status(code)), want, alone=True))
    cells += [
        retried("G05", f"{code}-{when}", act, mode="grpc", stream=stream)
        for code in TRIED_AGAIN
        for stream in (False, True)
        for when, act in (("first", (Status(code),)), ("later", (*THREE, Status(code))))
        if when == "first" or not stream
    ]
    return cells


def refused_by(statuses_, answer) -> None:
    """The caller got an error with one of these statuses."""
    refused(answer, *statuses_)


def resets() -> list[Cell]:
    """G04: RST_STREAM with all codes, before anything and after the first message."""
    cells = []
    for code in ErrorCodes:
        early, late = (ResetStream(code),), (THREE[0], SOON, ResetStream(code))
        name = code.name.lower().replace("_", "-")
        if code is not ErrorCodes.REFUSED_STREAM:  # which G03 has: grpc tries it again by itself
            cells += [
                fatal("G04", f"{name}-first", early, *CODES[code], mode="grpc", stream=stream)
                for stream in (False, True)
            ]
        cells.append(Cell("G04", f"{name}-later", "grpc", True, late, functools.partial(broken, said="one")))
        cells.append(fatal("G04", f"{name}-later", late, *CODES[code], mode="grpc", stream=False))
        if code is not ErrorCodes.INADEQUATE_SECURITY:  # PERMISSION_DENIED: nobody else would answer otherwise
            cells.append(retried("G04", f"{name}-later", late, mode="grpc", stream=False))
    return cells


def connections() -> list[Cell]:
    """G03, G04: the connection goes, in good order or not."""
    acts = {
        ("G03", "refused-stream"): (ResetStream(ErrorCodes.REFUSED_STREAM),),
        ("G03", "goaway-below"): (GoAway(0, last=0), SOON, Close()),
        ("G04", "goaway-internal"): (GoAway(ErrorCodes.INTERNAL_ERROR, last=0), SOON, Close()),
        ("G04", "connection-reset"): (Reset(),),
        ("G04", "connection-fin"): (Close(),),
    }
    cells = [
        retried(case, variant, act, mode="grpc", stream=stream)
        for (case, variant), act in acts.items()
        if case != "G03"
        for stream in (False, True)
    ]
    for variant, end in {"connection-reset": Reset(), "connection-fin": Close()}.items():
        cells.append(Cell("G04", f"{variant}-later", "grpc", True, (*THREE, SOON, end), SAID))
        cells.append(retried("G04", f"{variant}-later", (*THREE, SOON, end), mode="grpc", stream=False))
    for stream in (False, True):
        for (case, variant), act in acts.items():
            if case == "G03":  # again at the same worker or another, once, whoever does it
                fine = functools.partial(whole, stream=stream)
                cells.append(Cell(case, variant, "grpc", stream, act, fine, attempts=None))
    return cells


def messages() -> list[Cell]:
    """G07: messages that cannot be read, are too large, too deep, or blow up."""
    deep = b"\x0a\x02" * 10_000
    nested = b""
    for _ in range(10_000):
        nested = b"\x2a" + words.varint(len(nested)) + nested if len(nested) < profile.MIB else nested
    bomb = zlib.compress(bytes(4 * LIMIT))
    acts = {
        "garbage": Message(b"\xff\xff\xff\xff\xff\x01nonsense"),
        "bad-utf-8": Message(b"\x0a\x03\xff\xfe\xfd"),
        "truncated": Message(pb.GenerateResponse(request_id="x" * 40).SerializeToString()[:-9]),
        "deep": Message(deep),
        "nested": Message(nested),
        "lying-length": Message(b"", length=LIMIT + 1),
        "bomb-unasked": Message(bomb, flag=1),
        "empty-then-end": Message(b""),
    }
    cells = []
    for variant, bad in acts.items():
        for stream in (False, True):
            act = (bad, Status(words.OK, ""))
            cells.append(retried("G07", variant, act, mode="grpc", stream=stream))
            cells.append(fatal("G07", variant, act, 502, mode="grpc", stream=stream))
        if variant != "empty-then-end":
            cells.append(Cell("G07", f"{variant}-later", "grpc", True, (*THREE, SOON, bad, Status(words.OK)), SAID))
    return cells


def sizes() -> list[Cell]:
    """G07: a message of the limit is read, one of a byte more is not, packed or not; all are right in themselves."""
    cells = []
    for stream in (False, True):
        first, *rest = (*THREE, words.last(stream=True)) if stream else (words.last(stream=False),)
        fine = functools.partial(whole, stream=stream)
        fits, beyond = ((words.padded(first, size), *rest, Status(words.OK, "")) for size in (LIMIT, LIMIT + 1))
        bomb = (_packed(words.padded(first, 4 * LIMIT)), *rest, Status(words.OK, ""))
        packed = (_packed(first), *rest, Status(words.OK, ""))
        cells += [
            Cell("G07", "of-the-limit", "grpc", stream, fits, fine, within_secs=10, settings=UNHURRIED),
            Cell("G07", "packed", "grpc", stream, packed, fine),
            retried("G07", "bomb", bomb, mode="grpc", stream=stream),
            fatal("G07", "bomb", bomb, 502, mode="grpc", stream=stream),
            retried("G07", "too-long", beyond, mode="grpc", stream=stream),
            fatal("G07", "too-long", beyond, 502, mode="grpc", stream=stream),
        ]
    later = (*THREE, SOON, words.padded(words.last(stream=True), LIMIT + 1), Status(words.OK, ""))
    return [*cells, Cell("G07", "too-long-later", "grpc", True, later, SAID)]


def _packed(message: Message) -> Message:
    """Return a message packed as the head of the answer says."""
    return Message(gzip.compress(message.data), flag=1, coding="gzip")


def late() -> list[Cell]:
    """G05, G10: nothing comes, or nothing more."""
    cells = []
    timed: dict[str, Any] = {"no_sooner_secs": FIRST, "within_secs": FIRST + SLACK}
    for name, end in {"silent": Silence(), "frozen": Freeze()}.items():
        for stream in (False, True):
            act = (end, Silence())
            cells.append(fatal("G10", f"{name}-first", act, 504, mode="grpc", stream=stream, **timed))
            if name == "silent":
                cells.append(
                    retried("G10", f"{name}-first", act, mode="grpc", stream=stream, within_secs=FIRST + SLACK)
                )
        cells.append(Cell("G10", f"{name}-later", "grpc", True, (*THREE, end, Silence()), SAID, **timed))
    return cells


def ends() -> list[Cell]:
    """G05: an end in good order without the finish it owes."""
    early = (*THREE, Status(words.OK, ""))
    return [
        Cell("G05", "no-finish", "grpc", True, early, SAID),
        retried("G05", "no-finish", early, mode="grpc", stream=False),
        Cell("G05", "finish-then-error", "grpc", True, (*THREE, words.last(stream=True), Status(13)), _whole_text),
        Cell("G05", "finish-then-silence", "grpc", True, (*THREE, words.last(stream=True), Silence()), _whole_text),
        Cell(
            "G07",
            "raw-garbage",
            "grpc",
            True,
            (THREE[0], SOON, Send(b"\x00" * 64)),
            functools.partial(broken, said="one"),
        ),
    ]


def _whole_text(answer) -> None:
    whole(answer, stream=True)


CELLS = [*statuses(), *resets(), *connections(), *messages(), *sizes(), *late(), *ends()]
