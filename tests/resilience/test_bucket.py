"""The token bucket never over-grants, and tells truly when to come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from smg.resilience.bucket import TokenBucket
from smg.resilience.settings import BucketSettings
from tests.resilience.support import LONG_RUN, MACHINE, STEPS, ManualClock


def test_a_thousand_in_a_second():
    """Ten a second with a burst of twenty let 20 to 30 of a thousand pass; the rest pass when told to."""
    clock = ManualClock()
    bucket = TokenBucket(BucketSettings(rate_per_sec=10, burst=20), clock)
    passed = 0
    for _ in range(1000):
        clock.time += 0.001
        passed += bucket.take()

    assert 20 <= passed <= 30
    assert 0 < (bucket.retry_after_secs() or 0) <= 0.1


def test_rate_zero_refuses_everything():
    """Not even the burst passes, and there is no time to come back at."""
    clock = ManualClock()
    bucket = TokenBucket(BucketSettings(rate_per_sec=0, burst=20), clock)
    clock.time += 1e9

    assert not bucket.take()
    assert bucket.retry_after_secs() is None


@given(
    st.floats(1e-6, 1e6),
    st.integers(1, 1000),
    st.floats(0, 1e7),
    st.lists(st.floats(0, 10), min_size=1, max_size=50),
)
def test_who_waits_as_told_passes(rate, burst, begun, steps):
    """Whatever the numbers, a refused caller that waits ``retry_after_secs`` and nobody else gets a token."""
    clock = ManualClock(begun)
    bucket = TokenBucket(BucketSettings(rate_per_sec=rate, burst=burst), clock)
    for step in steps:
        clock.time += step
        while bucket.take() and burst <= 20 and rate < 10:
            pass
        clock.time += bucket.retry_after_secs() or 0.0

        assert bucket.take()


class BucketMachine(RuleBasedStateMachine):
    """Keeps a level in the usual way: topped up as time passes, never above the burst."""

    @initialize(rate=st.sampled_from([0.125, 0.5, 2.0, 8.0]), burst=st.integers(1, 6))
    def begin(self, rate, burst):
        """Rates whose times add up without rounding."""
        self.rate, self.burst = rate, burst
        self.clock = ManualClock()
        self.bucket = TokenBucket(BucketSettings(rate_per_sec=rate, burst=burst), self.clock)
        self.level = float(burst)
        self.began_at, self.taken = self.clock.time, 0

    @rule(count=st.integers(1, 8))
    def take(self, count):
        """Several want a token: as many get one as there are, and never more than the rate allows since the start."""
        for _ in range(count):
            granted = self.bucket.take()
            assert granted == (self.level >= 1)
            self.level -= granted
            self.taken += granted
        assert self.taken <= self.burst + self.rate * (self.clock.time - self.began_at)

    @rule(step=STEPS)
    def wait(self, step):
        """Time passes, and fills the bucket."""
        self.clock.time += step
        self.level = min(self.burst, self.level + step * self.rate)

    @precondition(lambda self: self.level < 1)
    @rule()
    def come_back(self):
        """Who comes back when told finds one token, and only one."""
        secs = self.bucket.retry_after_secs()
        assert secs == (1 - self.level) / self.rate
        self.wait(secs)
        self.take(2)


TestBucket = BucketMachine.TestCase
TestBucket.settings = MACHINE
TestBucket = LONG_RUN(TestBucket)


@pytest.mark.parametrize("burst", [1, 5])
def test_a_rest_fills_no_more_than_the_burst(burst):
    """A year of rest is worth one burst."""
    clock = ManualClock()
    bucket = TokenBucket(BucketSettings(rate_per_sec=100, burst=burst), clock)
    clock.time += 3e7

    assert [bucket.take() for _ in range(burst + 1)] == [True] * burst + [False]
