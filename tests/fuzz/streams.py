"""Event streams cut anywhere: read the same as in one piece, and passed on in whole events."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from smg.wire.event_relay import EventRelay
from smg.wire.sse import BYTE_ORDER_MARK, DONE_DATA, EventTooLargeError, SseFramer
from tests.fuzz.target import Cut, Target, seed

CAPS = (1, 16, 64, 1 << 20)
LINE_END = re.compile(rb"\r\n|\r|\n")
EDGE = (b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n", b"\r\r\n", b"\n\r", b"\r\n\r", b"\r\n\n")
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
ERROR = b'data: {"error":{"message":"no","code":500}}\n\n'
DONE = b"data: [DONE]\n\n"
SEEDS = (
    EVENT + EVENT + LAST + DONE,
    EVENT + ERROR + EVENT,
    b": ping\r\n\r\ndata: a\r\ndata: b\r\rdata: [DONE] \r\n\r\n",
    BYTE_ORDER_MARK + b"event: x\nid: 1\ndata:a\n\n" + DONE + EVENT,
    b'data: {"error":' + b"[" * 1_200 + b"\n\n" + ERROR,
    b'data: {"finish_reason":\n\n"data": 1}\n\n' + EVENT,
    b'data: {"finish_reason":\ndata: {"a":1}}\n\ndata: {\r,"finish_reason":"stop"}\n\n' + DONE,
)


@dataclass
class Passed:
    """What a relay made of a stream.

    Attributes:
        told: What it said of the stream at the end.
        error: The event that told an error, which is held back.
        too_large: It gave the stream up.
    """

    out: bytes = b""
    error: bytes = b""
    told: list[Any] = field(default_factory=list)
    too_large: bool = False


def run(data: bytes) -> None:
    """Try the framer and the relay."""
    cut = Cut.of(data)
    cap = CAPS[cut.flags % len(CAPS)]
    framed, in_one = read(cut.pieces, cap), read((cut.whole,), cap)
    assert framed == in_one, "the framer reads it otherwise in pieces"
    assert framed is None or framed == by_the_book(cut.whole), "the framer reads it otherwise than the standard"
    if BYTE_ORDER_MARK in cut.whole:
        return  # no engine sends one, and the relay takes it for the beginning of a field's name
    passed, whole = relayed(cut.pieces, cap), relayed((cut.whole,), cap)
    for each in (passed, whole):
        check_passed(each, cut.whole)
    if not passed.too_large and not whole.too_large:
        assert by_the_book(passed.out) == by_the_book(whole.out), "the relay passes on otherwise in pieces"
        assert passed.told == whole.told, "the relay says otherwise of it in pieces"


def read(pieces: tuple[bytes, ...], cap: int) -> list[bytes] | None:
    """Return the framer's events, None where one is too large."""
    framer = SseFramer(cap)
    try:
        return [event for piece in pieces for event in framer.feed(piece)]
    except EventTooLargeError:
        return None


def by_the_book(stream: bytes) -> list[bytes]:
    """Read a whole stream as the standard has it."""
    *lines, _ = LINE_END.split(stream.removeprefix(BYTE_ORDER_MARK))
    events: list[bytes] = []
    data: list[bytes] = []
    for line in lines:
        name, _, value = line.partition(b":")
        if not line and data:
            events.append(b"\n".join(data))
            data = []
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return events


def relayed(pieces: tuple[bytes, ...], cap: int) -> Passed:
    """Pass a stream on."""
    relay, passed = EventRelay(cap), Passed()
    for piece in pieces:
        try:
            passed.out += relay.feed(piece)
        except EventTooLargeError:
            passed.too_large = True
            break
        assert len(relay._held) <= cap, "more is held than may be"
    passed.told = [relay.begun, relay.ended, relay.done, relay.finished, relay.failure]
    passed.error = relay.failure_event
    return passed


def check_passed(passed: Passed, stream: bytes) -> None:
    """Whole events, as they came, and none behind the end."""
    out = passed.out
    assert stream.startswith(out), "what is passed on is no beginning of what came"
    assert not out or out.endswith(EDGE), "an event is passed on in part"
    events = by_the_book(out)
    assert DONE_DATA not in events[:-1], "something is passed on behind the end"
    _, ended, done, _, failure = passed.told
    assert failure is None or (ended and not done), "a stream with an error counts as whole"
    assert stream.startswith(out + passed.error), "the error is not what came next"
    assert not events or events[-1] != DONE_DATA or ended, "the end is not seen"


STREAMS = Target(
    name="streams",
    seeds=tuple(seed(stream, flags) for flags in (3, 2) for stream in SEEDS),
    words=(
        *(b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"data:", b":", b"[DONE]", b'"error"', b'"finish_reason":"stop"'),
        *(EVENT, LAST, ERROR, DONE, BYTE_ORDER_MARK, b'{"error":{}}', b"retry: 1\n"),
    ),
    run=run,
    runs=20_000,
)
