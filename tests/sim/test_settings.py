"""Speed of an engine."""

from __future__ import annotations

import pytest

from smg.sim.settings import EngineSettings


@pytest.mark.parametrize(
    ("speed", "prefill", "decoding", "secs"),
    [(1.0, 8000, 0, 1.006), (2.0, 0, 10, 0.00475), (0.0, 8000, 10, 0.0)],
)
def test_step_takes_its_time(speed, prefill, decoding, secs) -> None:
    """A step lasts by its work and the speed; at speed 0 nothing lasts."""
    assert secs == pytest.approx(EngineSettings(speed=speed).step_secs(prefill, decoding))
