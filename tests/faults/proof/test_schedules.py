"""B04: the breaker beside its model through thousands of random schedules, on a clock that is moved by hand."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.profile import SIZE
from tests.faults.report import figure
from tests.resilience.support import MACHINE
from tests.resilience.test_breaker_machine import BreakerMachine

SCHEDULES = {"short": 40, "scaled": 1_000, "full": 10_000}[SIZE]


class Counted(BreakerMachine):
    """The machine, which also counts its schedules."""

    schedules = 0

    def teardown(self):
        """Count, and see to it that a worker that is well again is trusted."""
        Counted.schedules += 1
        super().teardown()


@pytest.mark.timeout(60 + SCHEDULES * 0.2)
def test_b04_no_breaker_is_ever_stuck(record_property):
    """Model and breaker agree at each step, and wherever a schedule ends the worker is trusted again in time."""
    stuck = 1
    try:
        schedules = settings(MACHINE, max_examples=SCHEDULES, phases=[Phase.generate])  # a failure is not made smaller
        run_state_machine_as_test(Counted, settings=schedules)
        stuck = 0
    finally:
        figure(record_property, "F09", "stuck breakers", stuck, 0, over=Counted.schedules)
    assert Counted.schedules >= SCHEDULES
