"""Tests of smg.policies.random_choice."""

from __future__ import annotations

from random import Random

from smg.policies.policy import Hint
from smg.policies.random_choice import RandomChoice
from tests.policies.candidates import candidates


def test_load_does_not_matter():
    """A busy worker is drawn as often as an idle one."""
    policy, offered = RandomChoice(Random(5)), candidates(0, 100)
    busy = sum(policy.pick(offered, Hint("m", 1)).id == "w1" for _ in range(1000))

    assert 400 < busy < 600
