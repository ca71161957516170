"""A caller may set the clocks of its own request, within the operator's bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.core.errors import InvalidRequestError
from smg.resilience.clock_headers import with_overrides
from smg.resilience.settings import ClockSettings

SETTINGS = ClockSettings(first_token_secs=10.0, override_floor_secs=0.5, override_ceiling_secs=60.0)


def test_without_a_wish_nothing_is_made():
    """The settings come back as they are, the same object."""
    assert with_overrides(SETTINGS, ((b"Accept", b"*/*"), (b"x-smg-timeout", b"1"))) is SETTINGS


@pytest.mark.parametrize("name", ["connect", "first-byte", "first-token", "between-chunks", "total"])
def test_each_clock_can_be_set(name):
    """The header's name is the clock's; case does not matter."""
    changed = with_overrides(SETTINGS, ((f"X-SMG-Timeout-{name}".encode(), b" 2.5 "),))
    field = name.replace("-", "_") + "_secs"

    assert changed == msgspec.structs.replace(SETTINGS, **{field: 2.5})


@pytest.mark.parametrize(
    ("wish", "settings", "secs"),
    [
        pytest.param(b"2", SETTINGS, 2.0, id="shorter"),
        pytest.param(b"20", SETTINGS, 20.0, id="longer"),
        pytest.param(b"0.001", SETTINGS, 0.5, id="below the floor"),
        pytest.param(b"999999999", SETTINGS, 60.0, id="above the ceiling"),
        pytest.param(b"20", ClockSettings(first_token_secs=10.0), 10.0, id="by default only shorter"),
        pytest.param(b"0.02", ClockSettings(first_token_secs=0.05), 0.05, id="setting below the floor"),
    ],
)
def test_a_wish_is_kept_within_bounds(wish, settings, secs):
    """Beyond the floor or the ceiling the bound holds; the operator's own setting is always within."""
    assert with_overrides(settings, ((b"x-smg-timeout-first-token", wish),)).first_token_secs == secs


@pytest.mark.parametrize("value", [b"", b"0", b"0.0", b"-1", b"nan", b"inf", b"1e3", b"5s", b"1,5", b"\xff", b"9" * 99])
def test_what_is_no_time_is_refused(value):
    """The error names the header and never shows its value."""
    with pytest.raises(InvalidRequestError, match="must be a number of seconds above 0") as caught:
        with_overrides(SETTINGS, ((b"x-smg-timeout-total", value),))

    assert caught.value.param == "x-smg-timeout-total"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (((b"x-smg-timeout-first-tokens", b"1"),), r"x-smg-timeout-\* names no clock"),
        (((b"x-smg-timeout-total", b"1"), (b"X-Smg-Timeout-Total", b"2")), "x-smg-timeout-total comes twice"),
    ],
)
def test_a_wish_must_be_clear(headers, words):
    """A clock that does not exist, or two times for one clock, is refused."""
    with pytest.raises(InvalidRequestError, match=words):
        with_overrides(SETTINGS, headers)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_no_bytes_break_the_reading(name, value):
    """Whatever is sent, the answer is settings within bounds or a refusal."""
    try:
        changed = with_overrides(SETTINGS, ((b"x-smg-timeout-first-token" + name[:1], value),))
    except InvalidRequestError:
        return

    assert 0.5 <= changed.first_token_secs <= 60.0
