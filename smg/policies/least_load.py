"""The least loaded; among equals each in its turn, so that an idle fleet is used evenly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.policies.load import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.policies.policy import C, Hint


class LeastLoad:
    """Takes the worker with the fewest requests in flight, then the fewest tokens."""

    def __init__(self) -> None:
        self._turn = -1

    def pick(self, candidates: Sequence[C], hint: Hint) -> C:  # noqa: ARG002  (the interface)
        """Return a candidate that none is less loaded than."""
        self._turn += 1
        start = self._turn % len(candidates)
        best = candidates[start]
        least = load(best)
        for offset in range(1, len(candidates)):
            candidate = candidates[(start + offset) % len(candidates)]
            if (busy := load(candidate)) < least:
                best, least = candidate, busy
        return best
