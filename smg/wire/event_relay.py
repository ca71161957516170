"""A stream of server-sent events on its way through: whole events pass as they came, and how they ended is noted.

Theory: bytes are looked at only as far as needed. Nearly every chunk is an event like the one before but for its text,
and holds nothing of note if that did. Of the others nearly every one ends with an event, and nearly none holds a mark
that matters: three searches tell. Only a chunk with a mark in it is read closely, since text inside an event may
imitate one.

Nothing is passed on after ``[DONE]``. An event that tells an error is held back, and nothing follows it: whether the
caller may see it is for others to say.
"""

from __future__ import annotations

import re
from typing import Final

from smg.wire.choices import A_REASON, choices_finished
from smg.wire.event_template import EventTemplate, template_of
from smg.wire.sse import EventTooLargeError, SseFramer
from smg.wire.told import BrokenJsonError, ToldError, told_error

_EDGE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_EDGES: Final = (re.compile(rb"\n(?:\r\n|\n|\r(?!\n))"), re.compile(rb"\r\r\n?"))
"""The same edges by the one byte they begin with: found several times as fast in a large event as either of two is."""
_DONE: Final = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\][ \t]*(?=[\r\n])")
_DATA: Final = re.compile(rb"(?:\A|[\r\n])data")
LONGEST_EDGE = 4
BEFORE_MARK: Final = len(b"\ndata: ")
TEMPLATES: Final = 8
"""In a row that no event fitted; where events differ in more than their text, no more are made."""


class EventRelay:
    """Passes one stream on.

    Attributes:
        max_event_bytes: How much of an unfinished event is held.
        begun: An event with data has passed; comments alone do not begin a stream.
        ended: Nothing more is to be passed on.
        done: The stream said ``[DONE]``.
        finished: Choices that have shown why they finished.
        failure: What the engine told in an error event; None where it told none.
        failure_event: That event as it came.
    """

    __slots__ = (
        *("_held", "_template", "_templates_left"),
        *("begun", "done", "ended", "failure", "failure_event", "finished", "max_event_bytes"),
    )

    def __init__(self, max_event_bytes: int) -> None:
        self.max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._template: EventTemplate | None = None
        self._templates_left = TEMPLATES
        self.begun = False
        self.ended = False
        self.done = False
        self.finished: set[int] = set()
        self.failure: ToldError | None = None
        self.failure_event = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes of the events that ``chunk`` completes.

        Raises:
            EventTooLargeError: An unfinished event exceeds the cap.
        """
        if self.ended:
            return b""
        if self._template is not None and not self._held and self._template.fits(chunk):
            self._templates_left = TEMPLATES
            return chunk
        events = chunk if not self._held and chunk.endswith(b"\n\n") else self._completed(chunk)
        if not self.begun:
            self.begun = _DATA.search(events) is not None
        if events and not _unmarked(events):
            return self._noted(events)
        if events and self.begun and self._templates_left:
            self._templates_left -= 1
            self._template = template_of(events)
        return events

    def _completed(self, chunk: bytes) -> bytes:
        seen = max(0, len(self._held) - LONGEST_EDGE)
        self._held += chunk
        edge = max((found.end() for edges in _EDGES for found in edges.finditer(self._held, seen)), default=0)
        events = bytes(self._held[:edge])
        del self._held[:edge]
        if len(self._held) > self.max_event_bytes:
            raise EventTooLargeError(f"an event has more than {self.max_event_bytes} bytes")
        return events

    def _noted(self, events: bytes) -> bytes:
        mark = events.find(b"[DONE]")
        if mark >= 0 and (done := _DONE.search(events, max(0, mark - BEFORE_MARK))) is not None:
            self.done = self.ended = True
            edge = _EDGE.search(events, done.end())
            events = events if edge is None else events[: edge.end()]
        if events.find(b'"error"') >= 0:
            events = self._up_to_error(events)
        if A_REASON.search(events) is not None:
            self.finished |= choices_finished(events)
        return events

    def _up_to_error(self, events: bytes) -> bytes:
        begin = 0
        for edge in _EDGE.finditer(events):
            event = events[begin : edge.end()]
            if (failure := _error_in(event)) is not None:
                self.failure, self.failure_event = failure, event
                self.ended, self.done = True, False
                return events[:begin]
            begin = edge.end()
        return events


def _unmarked(events: bytes) -> bool:
    # Not ``in``: that tries the bytes as a number first, and the exception costs more than the search.
    return events.find(b"[DONE]") < 0 and events.find(b'"error"') < 0 and A_REASON.search(events) is None


def _error_in(event: bytes) -> ToldError | None:
    for data in SseFramer(len(event) + 1).feed(event):
        try:
            told = told_error(data)
        except BrokenJsonError:
            continue
        if told is not None:
            return told
    return None
