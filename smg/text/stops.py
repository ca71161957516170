"""Stop strings in a text that arrives in pieces.

Theory: the stop string that is complete first ends the text; of several complete at the same character the longest
does, since it began first. So the end depends on the text alone, never on how it was cut into pieces, and it is
known at the first moment it can be. Until then the end of the text that may still become a stop string is held
back; that is always less than the longest of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopMatcher:
    """One answer's watch for stop strings.

    Attributes:
        matched: The stop string that ended the text; None while there is none.
    """

    def __init__(self, stops: Sequence[str], *, keep: bool) -> None:
        """Begin an answer.

        Args:
            stops: Strings that end the text; an empty one never matches.
            keep: The text ends after the stop string instead of before it; then nothing needs to be held back.
        """
        self.matched: str | None = None
        self._stops = tuple(sorted(filter(None, stops), key=len, reverse=True))
        self._keep = keep
        self._tail = ""  # what may be the beginning of a stop string; already shown if it is kept

    def push(self, text: str, *, heed: bool = True) -> str:
        """Return what may be shown now; nothing more once a stop string has matched.

        Where ``heed`` is false no stop string that ends in ``text`` counts, but one that begins in it still may.
        """
        if self.matched is not None:
            return ""
        seen = self._tail + text
        if heed and (found := self._first(seen)):
            return self._end(seen, *found)
        safe = self._safe(seen)
        self._tail = seen[safe:]
        return text if self._keep else seen[:safe]

    def finish(self) -> str:
        """Return what was held back and turned out to be no stop string."""
        tail, self._tail = self._tail, ""
        return "" if self._keep else tail

    def _first(self, seen: str) -> tuple[int, str] | None:
        """Return where the stop string ends that is complete first in what is new in ``seen``, and the string."""
        old = len(self._tail)
        places = [(seen.find(stop, max(old - len(stop) + 1, 0)), stop) for stop in self._stops]
        ends = [(place + len(stop), stop) for place, stop in places if place >= 0]
        # the longest stand first, and min() keeps the first of equals
        return min(ends, key=lambda found: found[0], default=None)

    def _end(self, seen: str, end: int, stop: str) -> str:
        shown = len(self._tail) if self._keep else 0
        self.matched, self._tail = stop, ""
        return seen[shown : end if self._keep else end - len(stop)]

    def _safe(self, seen: str) -> int:
        """Return how much of ``seen`` cannot be part of a stop string any more."""
        return min((_start_of_hope(seen, stop) for stop in self._stops), default=len(seen))


def _start_of_hope(seen: str, stop: str) -> int:
    """Return where the longest end of ``seen`` stands that is a beginning of ``stop``, or its length."""
    place = seen.find(stop[0], max(len(seen) - len(stop) + 1, 0))
    while place >= 0 and not stop.startswith(seen[place:]):
        place = seen.find(stop[0], place + 1)
    return len(seen) if place < 0 else place
