"""Tests of smg.policies.least_load."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smg.policies.least_load import LeastLoad
from smg.policies.policy import Hint
from tests.policies.candidates import candidates


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 9))
def test_none_is_less_loaded(loads, turns):
    """Whatever the turn, the pick has the smallest load."""
    policy = LeastLoad()
    picks = [policy.pick(candidates(*loads), Hint("m", 1)).in_flight for _ in range(turns + 1)]

    assert picks[-1] == min(loads)
