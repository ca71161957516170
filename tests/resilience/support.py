"""A clock that is moved by hand, and how many schedules the state machines are put through.

``make faults`` tries as many of the breaker's as the catalogue asks for (B04), and half as many of the other four
together; otherwise few, so that unit tests stay quick.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

SCHEDULES = {"short": 40, "scaled": 1_250, "full": 10_000}[os.environ.get("SMG_FAULTS", "short")]
SHORT = SCHEDULES < 1_000
BREAKER_SCHEDULES = SCHEDULES if SHORT else 10_000
MACHINE = settings(
    max_examples=SCHEDULES,
    stateful_step_count=50,
    phases=tuple(Phase) if SHORT else (Phase.generate,),  # among so many, to make a failure smaller takes hours
)
LONG_RUN = pytest.mark.timeout(60 + BREAKER_SCHEDULES * 0.2)
"""For state machines: the usual limit, and a fifth of a second more for each schedule."""

STEPS = st.integers(0, 64).map(lambda eighths: eighths / 8)
"""Seconds to move the clock by; eighths add up without rounding."""


class ManualClock:
    """Time stands still until a test moves it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.time = now

    def now(self) -> float:
        """Return the reading last set."""
        return self.time
