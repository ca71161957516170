"""Tests of smg.policies.round_robin."""

from __future__ import annotations

from smg.policies.policy import Hint
from smg.policies.round_robin import RoundRobin
from tests.policies.candidates import candidates


def test_each_takes_its_turn():
    """Three candidates are picked in order, again and again."""
    policy, offered = RoundRobin(), candidates(5, 0, 9)

    picks = [policy.pick(offered, Hint("m", 1)).id for _ in range(6)]

    assert picks == ["w0", "w1", "w2", "w0", "w1", "w2"]
