"""Tests of smg.policies.table."""

from __future__ import annotations

from random import Random

import pytest

from smg.core.errors import ConfigError
from smg.policies import table
from smg.policies.round_robin import RoundRobin
from smg.policies.table import PolicyTable, build_policy


def test_an_unknown_name_says_what_there_is():
    """The error names the policies that exist."""
    with pytest.raises(ConfigError, match="least_load"):
        build_policy("cleverest", Random(1))


def test_each_model_has_its_own_policy():
    """Two models do not share a turn; one model keeps its policy."""
    policies = PolicyTable("round_robin", Random(1))

    assert policies.policy("a", None) is policies.policy("a", None)
    assert policies.policy("a", None) is not policies.policy("b", None)


def test_a_label_names_the_policy():
    """A worker's label chooses; one that names no policy leaves the default."""
    policies = PolicyTable("random", Random(1))

    assert isinstance(policies.policy("a", "round_robin"), RoundRobin)
    assert policies.policy("a", "nonsense") is policies.policy("a", None)


def test_the_table_is_capped(monkeypatch):
    """The model unused longest is forgotten first."""
    monkeypatch.setattr(table, "MAX_MODELS", 2)
    policies = PolicyTable("round_robin", Random(1))
    first = policies.policy("a", None)
    policies.policy("b", None)
    policies.policy("c", None)

    assert policies.policy("a", None) is not first
