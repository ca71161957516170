"""A sliding count holds what is young and forgets what is old, in fixed memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smg.resilience.window import SlidingCount
from tests.resilience.support import STEPS

SPAN_SECS = 8.0
BUCKETS = 4


@given(st.lists(STEPS, max_size=60))
def test_the_count_lies_between_the_two_exact_ones(steps):
    """Everything younger than the span less one bucket counts; nothing as old as the span does."""
    window, now, times = SlidingCount(SPAN_SECS, BUCKETS), 500.0, []
    for step in steps:
        now += step
        window.add(now)
        times.append(now)
        surely = sum(now - at <= SPAN_SECS - SPAN_SECS / BUCKETS for at in times)
        possibly = sum(now - at < SPAN_SECS for at in times)

        assert surely <= window.total(now) <= possibly


def test_silence_empties_it():
    """After the span nothing is left, however long the silence was."""
    window = SlidingCount(SPAN_SECS, BUCKETS)
    for _ in range(5):
        window.add(100.0)

    assert window.total(100.0) == 5
    assert window.total(1e9) == 0


def test_it_can_be_told_to_forget():
    """What was counted before is gone, what comes after counts."""
    window = SlidingCount(SPAN_SECS, BUCKETS)
    window.add(100.0)
    window.clear()
    window.add(101.0)

    assert window.total(101.0) == 1


def test_memory_does_not_grow():
    """A million years of counting need no more room than the first second."""
    window = SlidingCount(SPAN_SECS, BUCKETS)
    for year in range(1000):
        window.add(year * 3e7)

    assert len(window._ring) == BUCKETS
