"""A lease holds a slot and reports one outcome."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from smg.core.words import Outcome
from smg.resilience.breaker import BreakerState, CircuitBreaker, Ticket
from smg.resilience.settings import BreakerSettings
from smg.workers.lease import Leasable, Lease
from tests.resilience.support import ManualClock


class Holder(Leasable):
    """A worker's counts, and a breaker that opens at the first failure."""

    def __init__(self, failures: int = 1) -> None:
        self.in_flight = 0
        self.tokens = 0
        settings = BreakerSettings(failure_threshold=failures)
        self.breaker = CircuitBreaker(settings, ManualClock(), Random(0), lambda *_: None)

    @override
    def occupy(self, tokens: int) -> Ticket:
        """Count in."""
        ticket = self.breaker.admit()
        assert ticket is not None
        self.in_flight += 1
        self.tokens += tokens
        return ticket

    @override
    def vacate(self, tokens: int) -> None:
        """Count out."""
        self.in_flight -= 1
        self.tokens -= tokens

    @property
    def trusted(self) -> bool:
        """Whether the breaker has heard of no failure."""
        return self.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        pytest.param(None, Outcome.ABANDONED, id="left early"),
        pytest.param(OSError(), Outcome.FAILED, id="worker broke"),
        pytest.param(asyncio.CancelledError(), Outcome.ABANDONED, id="caller left"),
        pytest.param(GeneratorExit(), Outcome.ABANDONED, id="generator closed"),
    ],
)
def test_an_unsettled_lease_is_judged_by_how_it_ends(raised: BaseException | None, expected: Outcome) -> None:
    """Cancellation is the caller's doing and must not count against the worker."""
    holder = Holder()
    lease = Lease(holder, 5)
    try:
        with lease:
            if raised is not None:
                raise raised
    except (OSError, asyncio.CancelledError, GeneratorExit):
        pass

    assert (lease.outcome, holder.trusted) == (expected, expected is not Outcome.FAILED)
    assert (holder.in_flight, holder.tokens) == (0, 0)


def test_the_first_verdict_stands() -> None:
    """A later verdict, or an exception, does not change it."""
    holder = Holder()
    with suppress(OSError), Lease(holder, 1) as lease:
        lease.settle(Outcome.SUCCEEDED)
        lease.settle(Outcome.FAILED)
        raise OSError

    assert (lease.outcome, holder.trusted) == (Outcome.SUCCEEDED, True)


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from([None, *Outcome])), max_size=20))
def test_counts_are_zero_at_rest(leases: list[tuple[int, Outcome | None]]) -> None:
    """Any nesting of leases gives back what it took, one outcome each."""
    holder = Holder(failures=len(leases) + 1)
    open_leases = [Lease(holder, tokens) for tokens, _ in leases]
    for lease in open_leases:
        lease.__enter__()
    for lease, (_, outcome) in zip(open_leases, leases, strict=True):
        if outcome is not None:
            lease.settle(outcome)
        lease.__exit__(None, None, None)

    assert (holder.in_flight, holder.tokens) == (0, 0)
    assert [lease.outcome for lease in open_leases] == [outcome or Outcome.ABANDONED for _, outcome in leases]
