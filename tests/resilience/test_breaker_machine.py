"""The circuit breaker beside a model of it, through random schedules of requests, ends and time."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from smg.core.words import Outcome
from smg.resilience.breaker import BreakerState, CircuitBreaker
from smg.resilience.settings import BreakerSettings
from tests.faults.report import figure
from tests.resilience.support import BREAKER_SCHEDULES, LONG_RUN, MACHINE, STEPS, ManualClock

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
WIDTH_SECS = 1.0


class BreakerMachine(RuleBasedStateMachine):
    """Keeps every outcome of the present state, and says from them what the breaker must be."""

    @initialize(threshold=st.integers(1, 3), failures=st.integers(2, 5), seed=st.integers(0, 9))
    def begin(self, threshold, failures, seed):
        """Small numbers, so that a schedule of fifty steps comes round several times."""
        self.settings = BreakerSettings(
            failure_threshold=failures, min_requests=6, success_threshold=threshold, open_secs=5.0, max_open_secs=60.0
        )
        self.clock = ManualClock()
        self.told: list[tuple[BreakerState, BreakerState]] = []
        self.breaker = CircuitBreaker(self.settings, self.clock, Random(seed), lambda *pair: self.told.append(pair))
        self.held = []  # (ticket, era)
        self.state, self.era, self.open_secs = CLOSED, 0, 5.0
        self.history = []  # (bucket, outcome) since the last close
        self.good, self.prober, self.slot_until, self.cools_at = 0, None, 0.0, 0.0

    def go(self, state):
        """Move the model."""
        self.state = state
        self.era += 1
        self.good, self.prober = 0, None
        if state is OPEN:
            self.cools_at = self.named()
            assert 0.8 <= (self.cools_at - self.clock.time) / self.open_secs <= 1.2
        elif state is CLOSED:
            self.open_secs, self.history = 5.0, []

    def named(self) -> float:
        """Return the moment the breaker names."""
        assert self.breaker.retry_at is not None
        return self.breaker.retry_at

    def allowed(self):
        """Say whether a request may enter."""
        if self.state is OPEN:
            return self.clock.time >= self.cools_at
        return self.state is CLOSED or self.prober is None or self.clock.time >= self.slot_until

    @rule(count=st.integers(1, 4))
    def enter(self, count):
        """Requests come at once."""
        for _ in range(count):
            expected = self.allowed()
            ticket = self.breaker.admit()
            assert (ticket is not None) == expected
            if ticket is None:
                continue
            if self.state is OPEN:
                self.go(HALF_OPEN)
            assert ticket.probe == (self.state is HALF_OPEN)
            self.held.append((ticket, self.era))
            if ticket.probe:
                self.prober, self.slot_until = ticket, self.clock.time + 5.0

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome), again=st.booleans())
    def end(self, data, outcome, again):
        """One of the requests ends, whichever, and may say so twice."""
        ticket, era = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        ticket.settle(outcome)
        self.expect(ticket, era, outcome)
        if again:
            ticket.settle(Outcome.FAILED)

    @precondition(lambda self: self.state is CLOSED)
    @rule()
    def break_down(self):
        """Requests fail in a row, until the breaker opens: chance alone hardly ever gets there."""
        while self.state is CLOSED:
            self.enter(1)
            self.end_last(Outcome.FAILED)

    @precondition(lambda self: self.state is not CLOSED)
    @rule(outcome=st.sampled_from(Outcome))
    def probe(self, outcome):
        """Somebody comes as soon as it is let in, and ends before anybody else."""
        self.clock.time = max(self.clock.time, self.breaker.retry_at or 0.0)
        self.enter(1)
        self.end_last(outcome)

    def end_last(self, outcome):
        """End the request that came last."""
        ticket, era = self.held.pop()
        ticket.settle(outcome)
        self.expect(ticket, era, outcome)

    def expect(self, ticket, era, outcome):
        """Say what the end of a request means."""
        if era != self.era:
            return
        if self.state is HALF_OPEN:
            self.believe(ticket, outcome)
        elif outcome in {Outcome.SUCCEEDED, Outcome.FAILED}:
            self.history.append((self.clock.time // WIDTH_SECS, outcome))
            if outcome is Outcome.FAILED and self.tripped():
                self.go(OPEN)

    def believe(self, ticket, outcome):
        """Say what the end of a request means that was let in half-open."""
        self.good += outcome is Outcome.SUCCEEDED
        if outcome in {Outcome.FAILED, Outcome.BUSY}:
            self.open_secs = min(60.0, self.open_secs * (2 if outcome is Outcome.FAILED else 1))
            self.go(OPEN)
        elif self.good >= self.settings.success_threshold:
            self.go(CLOSED)
        elif ticket is self.prober:
            self.prober = None

    def tripped(self):
        """Judge by all of the history."""
        run = [outcome for _, outcome in self.history[-self.settings.failure_threshold :]]
        if run == [Outcome.FAILED] * self.settings.failure_threshold:
            return True
        newest = self.clock.time // WIDTH_SECS
        recent = [outcome for bucket, outcome in self.history if bucket > newest - 10]
        return len(recent) >= 6 and recent.count(Outcome.FAILED) * 2 >= len(recent)

    @rule(step=STEPS)
    def wait(self, step):
        """Time passes."""
        self.clock.time += step

    @precondition(lambda self: self.breaker.retry_at is not None)
    @rule()
    def wait_for_it(self):
        """Time passes up to the moment the breaker names, and somebody looks."""
        self.clock.time = max(self.clock.time, self.named())
        self.breaker.tick()
        if self.state is OPEN:
            self.go(HALF_OPEN)
        self.prober = None
        assert self.breaker.retry_at is None

    @rule()
    def recover(self):
        """The worker's health comes back."""
        self.breaker.half_open_now()
        if self.state is OPEN:
            self.go(HALF_OPEN)

    @invariant()
    def agree(self):
        """Model and breaker agree, and what was told is a chain of states that ends in the present one."""
        assert self.breaker.state is self.state
        assert self.breaker.allows() == self.allowed()
        states = [CLOSED, *(new for _, new in self.told)]
        assert [old for old, _ in self.told] == states[:-1]
        assert states[-1] is self.state

    def teardown(self):
        """From wherever the schedule ended, a worker that is well again is trusted within 72 seconds."""
        if hasattr(self, "breaker"):
            self.clock.time += 72.0
            for _ in range(self.settings.success_threshold):
                ticket = self.breaker.admit()
                assert ticket is not None
                ticket.settle(Outcome.SUCCEEDED)
            assert self.breaker.state is CLOSED


class Counted(BreakerMachine):
    """The machine, which also counts its schedules."""

    schedules = 0

    def teardown(self):
        """Count."""
        Counted.schedules += 1
        super().teardown()


@LONG_RUN
def test_b04_model_and_breaker_agree(record_property):
    """Through every schedule they agree at each step, and from wherever it ends there is a way out."""
    stuck = 1
    try:
        run_state_machine_as_test(Counted, settings=settings(MACHINE, max_examples=BREAKER_SCHEDULES))
        stuck = 0
    finally:
        figure(record_property, "F09", "stuck breakers", stuck, 0, over=Counted.schedules)
    assert Counted.schedules >= BREAKER_SCHEDULES
