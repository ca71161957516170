"""Tests of smg.policies.passthrough."""

from __future__ import annotations

from smg.policies.passthrough import Passthrough
from smg.policies.policy import Hint
from tests.policies.candidates import candidates


def test_the_first_is_taken():
    """However busy it is, the first registered worker serves."""
    assert Passthrough().pick(candidates(9, 0), Hint("m", 1)).id == "w0"
