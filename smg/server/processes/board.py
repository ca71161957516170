"""The numbers that all processes' limits count with, in memory that all share.

Theory: a table with one row per process and one column per number. A process writes its own row only, and reads whole
columns; a number is eight aligned bytes, which are written and read at once, so there are no locks. The row of a
process that died is cleared by the supervisor, so that what it held is free again; instants stay, since they are past
soon.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.resilience.shares import NEVER, Mark, Places, Shares, Turns

if TYPE_CHECKING:
    from smg.core.words import WorkerId
    from smg.server.schema import Settings

NUMBER_BYTES = 8
LINE_NUMBERS = 8
"""A row begins a cache line of its own, so that processes do not write into one another's."""

SPARE_SEATS = 1024
LOOK_SECS = 0.005
STALE_SECS = 0.1
"""A line whose process has not looked for so long has no turn: it may hang."""


def seats(settings: Settings) -> int:
    """Return how many workers can be told apart: more than there may be, since some still leave."""
    return settings.worker_defaults.max_workers + SPARE_SEATS


class Table:
    """The shared memory.

    Attributes:
        descriptor: Of the memory; it is handed to each process.
    """

    def __init__(self, settings: Settings, descriptor: int | None = None) -> None:
        """Make a table, or see the one behind ``descriptor``."""
        marks = ("rate", *(f"caller:{caller.name}" for caller in settings.callers))
        kept = ("concurrency", "deadline", "looked")
        self.columns = {name: column for column, name in enumerate((*marks, *kept))}
        self.first_seat = len(self.columns)
        self._cleared_from = len(marks)
        width = self.first_seat + seats(settings)
        self._width = width + -width % LINE_NUMBERS
        size = settings.server.processes * self._width * NUMBER_BYTES
        self.descriptor = _made(size) if descriptor is None else descriptor
        self._numbers = memoryview(mmap.mmap(self.descriptor, size)).cast("d")

    def column(self, column: int) -> memoryview[float]:
        """Return one number of all rows."""
        return self._numbers[column :: self._width]

    def clear(self, row: int) -> None:
        """Free what a process held that is gone."""
        begin, end = row * self._width + self._cleared_from, (row + 1) * self._width
        self._numbers[begin:end] = memoryview(bytes((end - begin) * NUMBER_BYTES)).cast("d")

    def close(self) -> None:
        """Give the descriptor back; the memory goes with its last user."""
        os.close(self.descriptor)


class Board(Shares):
    """The table as the process of one row counts with it."""

    def __init__(self, table: Table, row: int) -> None:
        self._table = table
        self._row = row
        self._seats: dict[str, int] = {}

    def seat(self, worker_id: WorkerId, seat: int) -> None:
        """Have a worker's places counted in this seat."""
        self._seats[worker_id] = self._table.first_seat + seat

    def unseat(self, worker_id: WorkerId) -> None:
        """Forget a worker's seat; whoever counts in it goes on."""
        self._seats.pop(worker_id, None)

    @override
    def places(self, name: str) -> Places:
        column = self._seats.get(name)
        return SharedPlaces(self._column(name) if column is None else self._table.column(column), self._row)

    @override
    def mark(self, name: str) -> Mark:
        return SharedMark(self._column(name), self._row)

    @override
    def turns(self) -> Turns:
        return SharedTurns(self._column("deadline"), self._column("looked"), self._row)

    def _column(self, name: str) -> memoryview[float]:
        return self._table.column(self._table.columns[name])


class SharedPlaces(Places):
    """Places that all processes hold together."""

    def __init__(self, column: memoryview[float], row: int) -> None:
        super().__init__()
        self._column = column
        self._row = row

    @property
    @override
    def everywhere(self) -> int:
        return int(sum(self._column))

    @override
    def take(self, limit: int) -> bool:
        self._column[self._row] += 1  # first, so that of two who take the last one at once neither misses the other
        if sum(self._column) > limit:
            self._column[self._row] -= 1
            return False
        self.held += 1
        return True

    @override
    def give(self) -> None:
        self._column[self._row] -= 1
        self.held -= 1


class SharedMark(Mark):
    """An instant that all processes move on."""

    def __init__(self, column: memoryview[float], row: int) -> None:
        super().__init__()
        self._column = column
        self._row = row

    @override
    def latest(self) -> float:
        return max(self._column)

    @override
    def latest_of_others(self) -> float:
        return max((at for row, at in enumerate(self._column) if row != self._row), default=NEVER)

    @override
    def move(self, to: float) -> None:
        self._column[self._row] = to


class SharedTurns(Turns):
    """The lines of all processes."""

    def __init__(self, deadlines: memoryview[float], looked: memoryview[float], row: int) -> None:
        super().__init__()
        self.look_secs = LOOK_SECS
        self._deadlines = deadlines
        self._looked = looked
        self._row = row

    @override
    def claim(self, deadline: float | None, now: float) -> None:
        self._looked[self._row] = now
        self._deadlines[self._row] = NEVER if deadline is None else deadline

    @override
    def others_first(self, deadline: float, now: float) -> bool:
        return any(
            row != self._row and NEVER < other < deadline and now - self._looked[row] < STALE_SECS
            for row, other in enumerate(self._deadlines)
        )


def _made(size: int) -> int:
    descriptor = os.memfd_create("smg-board")
    os.ftruncate(descriptor, size)
    return descriptor
