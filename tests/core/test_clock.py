"""Tests of smg.core.clock."""

from __future__ import annotations

from smg.core.clock import MonotonicClock


def test_time_never_goes_back():
    """Readings rise or stay."""
    clock = MonotonicClock()
    readings = [clock.now() for _ in range(100)]

    assert readings == sorted(readings)
