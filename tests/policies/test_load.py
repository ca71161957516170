"""Tests of smg.policies.load."""

from __future__ import annotations

from smg.core.words import WorkerId
from smg.policies.load import load
from tests.policies.candidates import Loaded


def test_requests_weigh_before_tokens():
    """One request with many tokens is less load than two with few."""
    assert load(Loaded(WorkerId("a"), 1, 9000)) < load(Loaded(WorkerId("b"), 2, 2))
