"""Tests of smg.wire.openai.ranges."""

from __future__ import annotations

import math

import pytest

from smg.wire.openai.ranges import Range


@pytest.mark.parametrize(
    ("allowed", "within", "beyond"),
    [(Range(0, 2), [0, 1.5, 2], [-0.1, 2.1, math.inf]), (Range(0, 1, above=True), [0.001, 1], [0, 1.001, -math.inf])],
)
def test_ends_are_included_unless_said_otherwise(allowed: Range, within: list[float], beyond: list[float]) -> None:
    """Infinity is in no range."""
    assert all(value in allowed for value in within)
    assert not any(value in allowed for value in beyond)


def test_range_is_told_in_words() -> None:
    """As it stands in error messages."""
    assert str(Range(1, 100_000_000)) == "1 to 100000000"
    assert str(Range(0, 1, above=True)) == "above 0 and at most 1"
