"""One order of load for every policy that compares workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smg.policies.policy import Candidate


def load(candidate: Candidate) -> tuple[int, int]:
    """Return how busy a worker is: requests in flight first, then the tokens they carry.

    The gateway's own counts are the base signal, since they are never stale.
    """
    return candidate.in_flight, candidate.tokens_in_flight
