"""Events that differ in their text alone: what is known of one of them holds for the others.

Theory: an engine sends the same event for every token, all but the text. So an event that turned out to hold nothing
of note is kept as a template, and one that fits it need not be looked into. The text is one string in quotes, of a
field that says nothing but text; what stands in its place can be no more than that as long as it cannot end the
string: it holds no quote and no line break, and no backslash stands before the quote that follows.
"""

from __future__ import annotations

import re
from typing import Final

TEXT: Final = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|arguments)": ?"((?:[^"\\\r\n]|\\[^\r\n])*+)"(?=[,}\]])'
)
INERT: Final = bytes.maketrans(b'"\r\n', b"   ")
"""Changes what may end a string, and nothing else."""
BACKSLASH: Final = 0x5C


class EventTemplate:
    """An event whose text is left open."""

    __slots__ = ("_before", "_behind")

    def __init__(self, before: bytes, behind: bytes) -> None:
        """Take what stands before the text and behind it, quotes included."""
        self._before = before
        self._behind = behind

    def fits(self, event: bytes) -> bool:
        """Tell whether ``event`` is the same but for its text, which is not empty."""
        begin, end = len(self._before), len(event) - len(self._behind)
        if begin >= end or event[:begin] != self._before or event[end:] != self._behind:
            return False
        text = event[begin:end]
        return text[-1] != BACKSLASH and text.translate(INERT) == text


def template_of(event: bytes) -> EventTemplate | None:
    """Return the template of an event; None where it has no text."""
    found = TEXT.search(event)
    return None if found is None else EventTemplate(event[: found.start(1)], event[found.end(1) :])
