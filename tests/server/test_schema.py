"""The tree of settings."""

from __future__ import annotations

import msgspec
import pytest

from smg.policies.table import POLICY_NAMES
from smg.server.schema import Settings


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_every_policy_can_be_set(name):
    """The names are those of the policies that exist."""
    assert Settings(policy=name).policy == name


def test_settings_survive_being_written_and_read():
    """The tree has a plain form that means the same."""
    assert msgspec.convert(msgspec.to_builtins(Settings()), Settings) == Settings()
