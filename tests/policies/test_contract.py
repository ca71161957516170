"""What holds for every policy."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.policies.policy import Hint
from smg.policies.table import POLICY_NAMES, build_policy
from tests.policies.candidates import candidates

HINT = Hint("tiny", 10)
loads = st.lists(st.integers(0, 50), min_size=1, max_size=12)


@pytest.mark.parametrize("name", POLICY_NAMES)
@given(loads=loads)
def test_pick_returns_a_member(name, loads):
    """Every pick is one of the candidates offered."""
    offered = candidates(*loads)

    assert build_policy(name, Random(1)).pick(offered, HINT) in offered


@pytest.mark.parametrize("name", POLICY_NAMES)
@given(loads=loads, seed=st.integers(0, 99))
def test_same_seed_same_picks(name, loads, seed):
    """Two policies with one seed pick alike over the same history."""
    offered = candidates(*loads)
    one, other = build_policy(name, Random(seed)), build_policy(name, Random(seed))

    assert [one.pick(offered, HINT).id for _ in range(7)] == [other.pick(offered, HINT).id for _ in range(7)]


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_a_shrinking_fleet_is_survived(name):
    """Candidates may leave between two picks."""
    policy = build_policy(name, Random(2))
    offered = candidates(0, 0, 0, 0, 0)

    for left in range(5, 0, -1):
        assert policy.pick(offered[:left], HINT) in offered[:left]


@pytest.mark.parametrize("name", [name for name in POLICY_NAMES if name != "passthrough"])
def test_equal_workers_are_used_evenly(name):
    """Among idle workers no one gets more than 30 % above its share of 4,000 picks."""
    policy, offered = build_policy(name, Random(3)), candidates(0, 0, 0, 0)
    picks = [policy.pick(offered, HINT).id for _ in range(4000)]

    assert all(700 < picks.count(candidate.id) < 1300 for candidate in offered)
