"""Made-up log probabilities, the same for the same token at the same place."""

from __future__ import annotations

from smg.sim import vocabulary
from smg.sim.answers import fingerprint

MAX_ALTERNATIVES = 20


def logprob(token_id: int, position: int) -> float:
    """Return the log probability of the drawn token: between -0.5 and 0, the likeliest of its place."""
    return -(fingerprint((token_id, position)) % 4096 + 1) / 8192


def alternatives(token_id: int, position: int, count: int) -> list[tuple[int, float]]:
    """Return the ``count`` likeliest tokens of a place with their log probabilities, the drawn one first."""
    first = logprob(token_id, position)
    others = [((token_id + 7 * rank) % vocabulary.END_OF_TEXT_ID, first - rank / 2) for rank in range(1, count)]
    return [(token_id, first), *others][:count]
