"""The retry budget never grants more than its share."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from smg.resilience.budget import RetryBudget
from smg.resilience.settings import BudgetSettings
from tests.resilience.support import LONG_RUN, MACHINE, STEPS, ManualClock

WINDOW_SECS = 10.0


def test_a_total_outage_costs_a_tenth():
    """300 requests a second for a minute, each wanting four retries, make at most 1.1 attempts per request."""
    clock = ManualClock()
    budget = RetryBudget(BudgetSettings(), clock)
    requests = attempts = 0
    for _ in range(60 * 300):
        clock.time += 1 / 300
        budget.request()
        requests += 1
        attempts += 1 + sum(budget.allow_retry() for _ in range(4))

    assert 1.09 <= attempts / requests <= 1.10


def test_a_quiet_gateway_may_retry_a_little():
    """Three retries in ten seconds are granted however few requests there are, and three more later."""
    clock = ManualClock()
    budget = RetryBudget(BudgetSettings(), clock)
    first = [budget.allow_retry() for _ in range(5)]
    clock.time += 11
    later = budget.allow_retry()

    assert first == [True, True, True, False, False]
    assert later


@pytest.mark.parametrize("requests", [0, 1000])
def test_no_share_and_no_floor_grant_nothing(requests):
    """Zero means none."""
    budget = RetryBudget(BudgetSettings(ratio=0.0, floor=0), ManualClock())
    for _ in range(requests):
        budget.request()

    assert not budget.allow_retry()


class BudgetMachine(RuleBasedStateMachine):
    """Keeps the time of every request and every granted retry."""

    @initialize(ratio=st.sampled_from([0.0, 0.1, 0.3, 1.0]), floor=st.integers(0, 4))
    def begin(self, ratio, floor):
        """Any share and floor."""
        self.settings = BudgetSettings(ratio=ratio, floor=floor)
        self.clock = ManualClock()
        self.budget = RetryBudget(self.settings, self.clock)
        self.requests: list[float] = []
        self.retries: list[float] = []

    def bound(self, *, youngest_secs: float) -> float:
        """Return what may be granted, counting requests up to that age."""
        requests = sum(self.clock.time - at <= youngest_secs for at in self.requests)
        return max(self.settings.floor, self.settings.ratio * requests)

    @rule(count=st.integers(1, 60))
    def arrive(self, count):
        """Requests come at once."""
        for _ in range(count):
            self.budget.request()
            self.requests.append(self.clock.time)

    @rule(count=st.integers(1, 12))
    def fail(self, count):
        """Requests want to be retried: never too many are granted, and never too few by more than a bucket."""
        for _ in range(count):
            granted = self.budget.allow_retry()
            retries = sum(self.clock.time - at <= WINDOW_SECS for at in self.retries) + 1
            older = sum(self.clock.time - at <= WINDOW_SECS + 0.5 for at in self.retries) + 1
            assert not granted or retries <= self.bound(youngest_secs=WINDOW_SECS)
            assert granted or older > self.bound(youngest_secs=WINDOW_SECS - 0.5)
            if granted:
                self.retries.append(self.clock.time)

    @rule(step=STEPS)
    def wait(self, step):
        """Time passes."""
        self.clock.time += step


TestBudget = BudgetMachine.TestCase
TestBudget.settings = MACHINE
TestBudget = LONG_RUN(TestBudget)
