"""Candidates as a policy sees them, with loads that a test sets."""

from __future__ import annotations

from dataclasses import dataclass

from smg.core.words import WorkerId


@dataclass
class Loaded:
    """A candidate with a given load."""

    id: WorkerId
    in_flight: int = 0
    tokens_in_flight: int = 0


def candidates(*in_flight: int) -> list[Loaded]:
    """Return one candidate per given number of requests in flight."""
    return [Loaded(WorkerId(f"w{n}"), busy, busy * 10) for n, busy in enumerate(in_flight)]
