"""The first, always: for one worker, or where something outside balances."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.policies.policy import C, Hint


class Passthrough:
    """Takes the candidate that was registered first."""

    def pick(self, candidates: Sequence[C], hint: Hint) -> C:  # noqa: ARG002  (the interface)
        """Return the first candidate."""
        return candidates[0]
