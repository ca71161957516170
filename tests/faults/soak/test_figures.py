"""Figures beside their targets, and what is growth of memory."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.soak.figures import Figure
from tests.faults.soak.watch import NOISE_BYTES, Watch

MIB = 1 << 20
NO_GATEWAY: Any = None


@pytest.mark.parametrize(
    ("figure", "met", "ends"),
    [
        (Figure("a", 1.0, most=1.0), True, "met"),
        (Figure("a", 1.1, most=1.0), False, "MISSED"),
        (Figure("a", 99.9, least=99.95), False, "MISSED"),
        (Figure("a", 99.95, least=99.95), True, "met"),
        (Figure("a", 7.0), True, "7"),
    ],
)
def test_a_figure_says_whether_its_target_is_met(figure, met, ends):
    """At most, at least, or only told."""
    assert figure.met is met
    assert str(figure).endswith(ends)


def test_growth_is_that_of_the_last_third():
    """Warming up is none, and neither is what an allocator may do either way."""
    warming, growing, noisy = (Watch(NO_GATEWAY) for _ in range(3))
    warming._rss = [min(50 + second, 100) * MIB for second in range(300)]
    growing._rss = [(100 + second // 10) * MIB for second in range(300)]
    noisy._rss = [100 * MIB + (second % 2) * NOISE_BYTES for second in range(300)]

    assert (warming.growth_bytes, noisy.growth_bytes) == (0, 0)
    assert growing.growth_bytes >= 7 * MIB
    assert growing.growth_ratio > 0.02
