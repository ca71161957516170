"""A worker's life: a table of moves, no I/O.

Theory: PENDING is registered but not yet known well enough to serve; READY serves; UNHEALTHY served
once and fails its probes now; DRAINING leaves and finishes what it began; GONE is closed. Nothing is
terminal but GONE: a worker that is away for an hour comes back by its first good probes.
A move that is not in the table is a programming error and raises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from smg.core.words import LifeState

if TYPE_CHECKING:
    from collections.abc import Mapping

MOVES: Final[Mapping[LifeState, frozenset[LifeState]]] = {
    LifeState.PENDING: frozenset({LifeState.READY, LifeState.DRAINING}),
    LifeState.READY: frozenset({LifeState.UNHEALTHY, LifeState.DRAINING}),
    LifeState.UNHEALTHY: frozenset({LifeState.READY, LifeState.DRAINING}),
    LifeState.DRAINING: frozenset({LifeState.GONE}),
    LifeState.GONE: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Life:
    """Where a worker stands.

    Attributes:
        reason: Why, for people; lower case, without addresses.
        since: Clock reading when the state (not the reason) began.
    """

    state: LifeState
    reason: str
    since: float

    def move(self, state: LifeState, reason: str, now: float) -> Life:
        """Return the life after a legal move; to the same state only the reason changes.

        Raises:
            ValueError: The move is not in ``MOVES``.
        """
        if state is self.state:
            return replace(self, reason=reason)
        if state not in MOVES[self.state]:
            raise ValueError(f"a worker cannot go from {self.state.value} to {state.value}")
        return Life(state, reason, now)
