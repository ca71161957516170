"""A stream of server-sent events on its way through: whole events pass as they came, and how they ended is noted.

Theory: bytes are looked at only as far as needed. Nearly every chunk ends with an event, and nearly none holds a
mark that matters, so the usual way is one comparison and three searches. Only a chunk with a mark in it is read
closely, since text inside an event may imitate one.

A stream is *whole* once it has shown ``[DONE]`` or a reason to finish. Nothing is passed on after ``[DONE]``, nor after
an event that tells an error.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from smg.wire.sse import EventTooLargeError, SseFramer

_EDGE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_DONE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\][ \t]*(?=[\r\n])")
_FINISH = re.compile(rb'"finish_reason"\s*:\s*["{]')
_DATA = re.compile(rb"(?:\A|[\r\n])data")
LONGEST_EDGE = 4


class EventRelay:
    """Passes one stream on.

    Attributes:
        max_event_bytes: How much of an unfinished event is held.
        begun: An event with data has passed; comments alone do not begin a stream.
        ended: Nothing more is to be passed on.
        whole: The stream said that it is complete.
        failure: What the engine told in an error event; None where it told none.
    """

    __slots__ = ("_held", "begun", "ended", "failure", "max_event_bytes", "whole")

    def __init__(self, max_event_bytes: int) -> None:
        self.max_event_bytes = max_event_bytes
        self._held = bytearray()
        self.begun = False
        self.ended = False
        self.whole = False
        self.failure: dict[str, Any] | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes of the events that ``chunk`` completes.

        Raises:
            EventTooLargeError: An unfinished event exceeds the cap.
        """
        if self.ended:
            return b""
        events = chunk if not self._held and chunk.endswith(b"\n\n") else self._completed(chunk)
        if not self.begun:
            self.begun = _DATA.search(events) is not None
        return self._noted(events) if events else b""

    def _completed(self, chunk: bytes) -> bytes:
        seen = max(0, len(self._held) - LONGEST_EDGE)
        self._held += chunk
        edge = max((found.end() for found in _EDGE.finditer(self._held, seen)), default=0)
        events = bytes(self._held[:edge])
        del self._held[:edge]
        if len(self._held) > self.max_event_bytes:
            raise EventTooLargeError(f"an event has more than {self.max_event_bytes} bytes")
        return events

    def _noted(self, events: bytes) -> bytes:
        if b"[DONE]" in events and (done := _DONE.search(events)) is not None:
            self.whole = self.ended = True
            edge = _EDGE.search(events, done.end())
            events = events if edge is None else events[: edge.end()]
        if b'"error"' in events:
            events = self._up_to_error(events)
        if not self.whole and self.failure is None and b'"finish_reason"' in events:
            self.whole = _FINISH.search(events) is not None
        return events

    def _up_to_error(self, events: bytes) -> bytes:
        begin = 0
        for edge in _EDGE.finditer(events):
            if (failure := _error_in(events[begin : edge.end()])) is not None:
                self.failure, self.ended, self.whole = failure, True, False
                return events[: edge.end()]
            begin = edge.end()
        return events


def _error_in(event: bytes) -> dict[str, Any] | None:
    for data in SseFramer(len(event) + 1).feed(event):
        try:
            told = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if told.get("error"):
            return told
    return None
