"""Settings refuse what no part could work with."""

from __future__ import annotations

import math

import msgspec
import pytest

from smg.resilience.settings import BreakerSettings, BucketSettings, BudgetSettings, ClockSettings, GateSettings


@pytest.mark.parametrize("kind", [BreakerSettings, BudgetSettings, ClockSettings])
def test_the_defaults_are_valid(kind):
    """What is written out as defaults can be read back."""
    assert msgspec.convert(msgspec.to_builtins(kind()), kind) == kind()


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize(
    ("kind", "field", "rest"),
    [
        (BucketSettings, "rate_per_sec", {}),
        (BreakerSettings, "open_secs", {}),
        (BreakerSettings, "failure_rate", {}),
        (BudgetSettings, "ratio", {}),
        (GateSettings, "queue_timeout_secs", {"limit": 1}),
        *[(ClockSettings, field, {}) for field in ClockSettings.__struct_fields__],
    ],
)
def test_a_number_that_is_no_amount_is_refused(kind, field, rest, value):
    """Negative, infinite and NaN are errors of the setting, and name it."""
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({field: value, **rest}, kind)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_built_in_code_is_finite_too(value):
    """Ranges are checked where settings are read; that a number is one, always."""
    with pytest.raises(ValueError, match="open_secs must be a finite number"):
        BreakerSettings(open_secs=value)


def test_the_doubling_ends_after_its_start():
    """A longest open time below the first is a contradiction."""
    with pytest.raises(msgspec.ValidationError, match="max_open_secs must be at least open_secs"):
        msgspec.convert({"open_secs": 10, "max_open_secs": 5}, BreakerSettings)


def test_a_rate_is_zero_or_can_be_counted():
    """0 is a rate; a rate that a clock in doubles cannot hold is refused."""
    assert msgspec.convert({"rate_per_sec": 0}, BucketSettings).rate_per_sec == 0
    with pytest.raises(msgspec.ValidationError, match="rate_per_sec must be 0 or at least"):
        msgspec.convert({"rate_per_sec": 1e-9}, BucketSettings)


def test_unknown_settings_are_refused():
    """A misspelt key is an error, not a default."""
    with pytest.raises(msgspec.ValidationError, match="open_sec"):
        msgspec.convert({"open_sec": 1}, BreakerSettings)
