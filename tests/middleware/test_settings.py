"""Tests of smg.middleware.settings."""

from __future__ import annotations

import msgspec
import pytest

from smg.middleware.settings import CallerSettings, LimitSettings, RateSettings


def test_there_is_no_limit_by_default():
    """A gateway limits nothing that its operator did not."""
    assert (LimitSettings().rate.rate_per_sec, LimitSettings().concurrency.limit) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a\n"},
        {"name": "a" * 65},
        {"api_key": ""},
        {"api_key": "sk-1 sk-2"},
        {"api_key": "sk-\u00e9"},
        {"api_key": "sk-1\n"},
        {"rate": {"rate_per_sec": 1e-7}},
        {"admin": True},
    ],
)
def test_caller_that_cannot_be_is_refused(wrong):
    """A name fits in a line of the log, a key in a header; what was given as a key is not said again."""
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert({"name": "a", "api_key": "sk-0", **wrong}, CallerSettings)

    assert "sk-" not in str(refused.value)


def test_rate_no_bucket_can_count_is_refused():
    """What is all but 0 is a mistake."""
    with pytest.raises(ValueError, match="rate_per_sec must be 0 or at least"):
        RateSettings(rate_per_sec=1e-7)
