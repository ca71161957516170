"""Each in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.policies.policy import C, Hint


class RoundRobin:
    """Takes the candidates in turn; a change of the fleet only moves the place to go on from."""

    def __init__(self) -> None:
        self._turn = -1

    def pick(self, candidates: Sequence[C], hint: Hint) -> C:  # noqa: ARG002  (the interface)
        """Return the candidate whose turn it is."""
        self._turn += 1
        return candidates[self._turn % len(candidates)]
