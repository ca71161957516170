"""Waits before retries: drawn at random below a growing bound, or as the worker asks."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smg.resilience.backoff import RETRY_AFTER_CAP_SECS, Backoff, parse_retry_after, wait_secs

NOON = 784_111_777.0
"""Sunday, 6 November 1994, 8:49:37 GMT, the date of the HTTP standard's examples."""


@given(
    st.integers(1, 10_000),
    st.floats(0, 10),
    st.floats(0, 60),
    st.floats(1, 1e300),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_a_wait_lies_below_its_bound(retry, initial, longest, multiplier, jitter, seed):
    """However many retries and however steep the growth, a wait is a number from 0 to the longest."""
    backoff = Backoff(initial_secs=initial, max_secs=longest, multiplier=multiplier, jitter_ratio=jitter)

    assert 0 <= backoff.secs(retry, Random(seed)) <= longest


def test_bounds_grow_to_the_longest():
    """Without jitter the bounds themselves show."""
    backoff = Backoff(initial_secs=0.05, max_secs=0.3, multiplier=2, jitter_ratio=0)

    assert [backoff.secs(retry, Random(1)) for retry in range(1, 6)] == [0.05, 0.1, 0.2, 0.3, 0.3]


def test_full_jitter_spreads_over_everything():
    """A thousand waits fill all tenths of the bound about equally."""
    rng = Random(3)
    backoff = Backoff(initial_secs=1, max_secs=1, multiplier=1)
    waits = [int(backoff.secs(1, rng) * 10) for _ in range(1000)]

    assert all(70 <= waits.count(tenth) <= 130 for tenth in range(10))


@pytest.mark.parametrize(
    ("value", "secs"),
    [
        pytest.param(b"0", 0.0, id="now"),
        pytest.param(b" 7 ", 7.0, id="seconds"),
        pytest.param(b"1.5", 1.5, id="a fraction"),
        pytest.param(b"Sun, 06 Nov 1994 08:50:37 GMT", 60.0, id="date"),
        pytest.param(b"Sunday, 06-Nov-94 08:50:37 GMT", 60.0, id="old date"),
        pytest.param(b"Sun Nov  6 08:50:37 1994", 60.0, id="date without a zone"),
        pytest.param(b"Sun, 06 Nov 1994 08:00:00 GMT", 0.0, id="date in the past"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"soon", None, id="a word"),
        pytest.param(b"-1", None, id="negative"),
        pytest.param(b"nan", None, id="nan"),
        pytest.param(b"inf", None, id="infinity"),
        pytest.param(b"1e9", None, id="exponent"),
        pytest.param("٣".encode(), None, id="digits of another script"),
        pytest.param(b"9" * 5000, None, id="too many digits"),
        pytest.param(b"Sun, 99 Nov 1994 08:49:37 GMT", None, id="no such day"),
        pytest.param(b"Sun, 06 Nov 99999999999 08:49:37 GMT", None, id="no such year"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 +99999999", None, id="no such zone"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT" + b" " * 99 + b"x", None, id="too long"),
    ],
)
def test_retry_after_is_read(value, secs):
    """Seconds and all three forms of date make a wait, never a negative one; anything else makes none."""
    assert parse_retry_after(value, NOON) == secs


@given(st.one_of(st.binary(max_size=80), st.text("0123456789 :,-+GMTSunNov.", max_size=64).map(str.encode)))
def test_no_bytes_break_the_reading(value):
    """Whatever a worker sends, the answer is a finite wait or none."""
    secs = parse_retry_after(value, NOON)

    assert secs is None or 0 <= secs < float("inf")


@pytest.mark.parametrize(
    ("backoff", "wish", "secs"),
    [(0.2, None, 0.2), (0.2, 0.0, 0.2), (0.2, 3.0, 3.0), (0.2, 3600.0, RETRY_AFTER_CAP_SECS), (9.0, 3.0, 9.0)],
)
def test_the_longer_wait_counts(backoff, wish, secs):
    """A worker's wish is honoured up to the cap, and never shortens our own wait."""
    assert wait_secs(backoff, wish) == secs
