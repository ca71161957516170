"""A count of what happened lately, in fixed memory.

Theory: time is cut into equal buckets and the last few are kept in a ring, with their sum beside them. Counting and
asking first empty the buckets that have grown too old, each at most once, so both are cheap however long the silence
was. With ``buckets`` of width ``span / buckets`` the count holds everything younger than ``span`` less one width,
nothing older than ``span``, and between the two whatever shares a bucket with the younger.
"""

from __future__ import annotations


class SlidingCount:
    """How often something happened within the last ``span_secs``."""

    __slots__ = ("_newest", "_ring", "_total", "_width_secs")

    def __init__(self, span_secs: float, buckets: int) -> None:
        self._width_secs = span_secs / buckets
        self._ring = [0] * buckets
        self._total = 0
        self._newest = 0

    def add(self, now: float) -> None:
        """Count one more at ``now``, which never goes back."""
        self._advance(now)
        self._ring[self._newest % len(self._ring)] += 1
        self._total += 1

    def total(self, now: float) -> int:
        """Return the count at ``now``, which never goes back."""
        self._advance(now)
        return self._total

    def clear(self) -> None:
        """Forget everything."""
        self._ring = [0] * len(self._ring)
        self._total = 0

    def _advance(self, now: float) -> None:
        newest = int(now // self._width_secs)
        if newest == self._newest:
            return
        size = len(self._ring)
        for index in range(max(self._newest, newest - size) + 1, newest + 1):
            self._total -= self._ring[index % size]
            self._ring[index % size] = 0
        self._newest = newest
