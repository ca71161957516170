"""Any, each as likely."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from smg.policies.policy import C, Hint


class RandomChoice:
    """Draws uniformly; keeps no memory."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def pick(self, candidates: Sequence[C], hint: Hint) -> C:  # noqa: ARG002  (the interface)
        """Return any candidate."""
        return candidates[self._rng.randrange(len(candidates))]
