"""Concurrency gate: so many run, so many wait in line, the rest is refused at once.

Theory: a place is RUNNING, WAITING or GONE. Whoever leaves while running hands the place to the first in line that
still has time, so the number running never dips below what could run nor rises above the limit, and nobody who comes
later overtakes. Whoever leaves the line frees its place in it at once. All wait equally long, so the line is also in
the order of its deadlines. Who waits for what, and how it is woken, is the user's: ``leave`` and ``expire`` say whom.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smg.core.clock import Clock
    from smg.resilience.settings import GateSettings


class PlaceState(Enum):
    """Where a place stands."""

    WAITING = "waiting"
    RUNNING = "running"
    GONE = "gone"


class Place:
    """One request's place at a gate; given back by ``Gate.leave`` on every way out.

    Attributes:
        deadline: Clock reading at which waiting is over.
    """

    __slots__ = ("deadline", "state")

    def __init__(self, state: PlaceState, deadline: float) -> None:
        self.state = state
        self.deadline = deadline


class Gate:
    """Limits how many run at once.

    Attributes:
        running: Places that run now, 0 to the limit.
    """

    def __init__(self, settings: GateSettings, clock: Clock) -> None:
        self.running = 0
        self._settings = settings
        self._clock = clock
        self._line: dict[Place, None] = {}  # in order of arrival, and quick to leave

    @property
    def waiting(self) -> int:
        """Places in line now, 0 to the queue's size."""
        return len(self._line)

    @property
    def next_deadline(self) -> float | None:
        """Clock reading at which the first in line has waited too long; None if nobody waits."""
        return next((place.deadline for place in self._line), None)

    def enter(self) -> Place | None:
        """Return a place that runs or waits, or None where even the line is full."""
        deadline = self._clock.now() + self._settings.queue_timeout_secs
        if self.running < self._settings.limit:
            self.running += 1
            return Place(PlaceState.RUNNING, deadline)
        if len(self._line) >= self._settings.queue_size:
            return None
        place = Place(PlaceState.WAITING, deadline)
        self._line[place] = None
        return place

    def leave(self, place: Place) -> Place | None:
        """Give a place back; return the one that runs in its stead and is to be woken. Leaving twice is harmless."""
        was, place.state = place.state, PlaceState.GONE
        if was is PlaceState.RUNNING:
            return self._hand_over()
        self._line.pop(place, None)
        return None

    def expire(self) -> list[Place]:
        """Put those out of the line who have waited too long, and return them to be woken: their state is GONE."""
        now = self._clock.now()
        late = [place for place in self._line if place.deadline <= now]
        for place in late:
            self.leave(place)
        return late

    def _hand_over(self) -> Place | None:
        now = self._clock.now()
        heir = next((place for place in self._line if place.deadline > now), None)
        if heir is None:
            self.running -= 1
        else:
            del self._line[heir]
            heir.state = PlaceState.RUNNING
        return heir
