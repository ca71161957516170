"""Tests of smg.middleware.settings."""

from __future__ import annotations

from smg.middleware.settings import LimitSettings


def test_there_is_no_limit_by_default():
    """A gateway limits nothing that its operator did not."""
    assert (LimitSettings().rate.rate_per_sec, LimitSettings().concurrency.limit) == (None, None)
