"""The less loaded of two drawn at random: nearly as even as the least loaded, without a herd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.policies.load import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from smg.policies.policy import C, Hint


class PowerOfTwo:
    """Draws two distinct candidates and takes the less loaded one."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def pick(self, candidates: Sequence[C], hint: Hint) -> C:  # noqa: ARG002  (the interface)
        """Return the less loaded of two candidates; the only one, if there is one."""
        first = self._rng.randrange(len(candidates))
        if len(candidates) == 1:
            return candidates[first]
        second = (first + 1 + self._rng.randrange(len(candidates) - 1)) % len(candidates)
        return min(candidates[first], candidates[second], key=load)
