"""Concurrency gate: so many run, so many wait in line, the rest is refused at once.

Theory: a place is RUNNING, WAITING or GONE. Whoever leaves while running hands the place to the first in line that
still has time, so the number running never dips below what could run nor rises above the limit, and nobody who comes
later overtakes. Whoever leaves the line frees its place in it at once. All wait equally long, so the line is also in
the order of its deadlines. When who waits gives up, and how it is woken, is the user's: ``leave`` and ``advance`` say
whom.

Several gates may keep one limit, each for the requests that come to it. A place is then held by whoever of all has it,
and free for whoever of all has waited longest; who waits must look now and then (``advance``), since nobody says when
a place elsewhere becomes free.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smg.resilience.shares import Places, Turns

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
    """Limits how many run at once."""

    def __init__(
        self, settings: GateSettings, clock: Clock, places: Places | None = None, turns: Turns | None = None
    ) -> None:
        self._places = places or Places()
        self._turns = turns or Turns()
        self._settings = settings
        self._clock = clock
        self._line: dict[Place, None] = {}  # in order of arrival, and quick to leave

    @property
    def running(self) -> int:
        """Places of this gate that run now, 0 to the limit."""
        return self._places.held

    @property
    def waiting(self) -> int:
        """Places in line now, 0 to the queue's size."""
        return len(self._line)

    @property
    def full(self) -> bool:
        """Whether who came now would find neither a place to run nor one in line."""
        beyond = len(self._line) >= self._settings.queue_size
        return beyond and (bool(self._line) or self._places.everywhere >= self._settings.limit)

    def enter(self) -> Place | None:
        """Return a place that runs or waits, or None where even the line is full."""
        now = self._clock.now()
        deadline = now + self._settings.queue_timeout_secs
        if self._heir(now) is None and self._may_run(deadline, now):
            return Place(PlaceState.RUNNING, deadline)
        if len(self._line) >= self._settings.queue_size:
            return None
        place = Place(PlaceState.WAITING, deadline)
        self._line[place] = None
        self._claim(now)
        return place

    def leave(self, place: Place) -> Place | None:
        """Give a place back; return the one that runs in its stead and is to be woken. Leaving twice is harmless."""
        was, place.state = place.state, PlaceState.GONE
        if was is PlaceState.RUNNING:
            self._places.give()
            return self.advance()
        if was is PlaceState.WAITING:
            del self._line[place]
            self._claim(self._clock.now())
        return None

    def advance(self) -> Place | None:
        """Have the first in line run if a place is free and it is its turn; return it, which is to be woken."""
        now = self._clock.now()
        heir = self._heir(now)
        if heir is not None and self._may_run(heir.deadline, now):
            del self._line[heir]
            heir.state = PlaceState.RUNNING
        else:
            heir = None
        self._claim(now)
        return heir

    def _heir(self, now: float) -> Place | None:
        """Return the first in line that still has time."""
        return next((place for place in self._line if place.deadline > now), None)

    def _may_run(self, deadline: float, now: float) -> bool:
        """Hold one more place, if it is the turn of one who waits until ``deadline`` and there is one."""
        return not self._turns.others_first(deadline, now) and self._places.take(self._settings.limit)

    def _claim(self, now: float) -> None:
        heir = self._heir(now)
        self._turns.claim(None if heir is None else heir.deadline, now)
