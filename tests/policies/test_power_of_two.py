"""Tests of smg.policies.power_of_two."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from smg.policies.policy import Hint
from smg.policies.power_of_two import PowerOfTwo
from tests.policies.candidates import candidates


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8, unique=True), st.integers(0, 999))
def test_the_busiest_is_never_taken(loads, seed):
    """Of two distinct candidates the less loaded wins, so the busiest of all never does."""
    picked = PowerOfTwo(Random(seed)).pick(candidates(*loads), Hint("m", 1))

    assert picked.in_flight != max(loads)
