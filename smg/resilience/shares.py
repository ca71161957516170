"""What limits count with: one's own numbers, and what others who keep to the same limit have of it.

Theory: several processes can keep one limit without a lock where each writes only numbers of its own and reads those of
all. Whoever takes a place counts it first and looks then, so that of two who take the last one at once neither misses
the other. These classes are for one who is alone; who is not, hands in others that do the same over numbers that all
can see.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

NEVER = 0.0
"""Stands for an instant long ago."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Places:
    """Places of which only so many may be held at once.

    Attributes:
        held: One's own.
    """

    def __init__(self) -> None:
        self.held = 0

    @property
    def everywhere(self) -> int:
        """Those that all hold together."""
        return self.held

    def take(self, limit: int) -> bool:
        """Hold one more, unless all hold ``limit`` already."""
        if self.held >= limit:
            return False
        self.held += 1
        return True

    def give(self) -> None:
        """Hold one less."""
        self.held -= 1


@mypyc_attr(allow_interpreted_subclasses=True)
class Mark:
    """An instant that all only ever move on; a clock reading."""

    def __init__(self) -> None:
        self._at = NEVER

    def latest(self) -> float:
        """Return the latest that anybody moved it to."""
        return self._at

    def latest_of_others(self) -> float:
        """Return the latest that anybody else moved it to."""
        return NEVER

    def move(self, to: float) -> None:
        """Move one's own."""
        self._at = to


@mypyc_attr(allow_interpreted_subclasses=True)
class Turns:
    """Whose turn it is, where several lines wait for the same places: the turn of who has waited longest.

    Attributes:
        look_secs: How often who waits has to look whether a place is free; None where nobody else frees any.
    """

    def __init__(self) -> None:
        self.look_secs: float | None = None

    def claim(self, deadline: float | None, now: float) -> None:
        """Say until when the first of one's own line waits; None where nobody does. To be said again at each look."""

    def others_first(self, deadline: float, now: float) -> bool:  # noqa: ARG002  (alone, nobody is)
        """Whether somebody elsewhere has waited longer than one whose time is up at ``deadline``."""
        return False


@mypyc_attr(allow_interpreted_subclasses=True)
class Shares:
    """Hands out what the limits of a gateway count with; each name stands for one limit."""

    def places(self, name: str) -> Places:  # noqa: ARG002  (alone, one is as good as another)
        """Return the places of a limit."""
        return Places()

    def mark(self, name: str) -> Mark:  # noqa: ARG002
        """Return the instant of a limit."""
        return Mark()

    def turns(self) -> Turns:
        """Return the turns at the gateway's own gate."""
        return Turns()


ALONE = Shares()
