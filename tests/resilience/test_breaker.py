"""The circuit breaker, transition by transition; test_breaker_machine.py puts it through random schedules."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from smg.core.words import Outcome
from smg.resilience.breaker import TRANSITIONS, BreakerState, CircuitBreaker, Move, Ticket
from smg.resilience.settings import BreakerSettings
from tests.resilience.support import ManualClock

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
GOOD, BAD, BUSY, GONE = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.BUSY, Outcome.ABANDONED


CATALOGUE = {"failure_threshold": 5, "open_secs": 5.0, "max_open_secs": 60.0}


class Guarded:
    """A breaker with its clock and what it told."""

    def __init__(self, **settings) -> None:
        self.clock = ManualClock()
        self.told: list[tuple[BreakerState, BreakerState]] = []
        self.breaker = CircuitBreaker(
            BreakerSettings(**{**CATALOGUE, **settings}),
            self.clock,
            Random(7),
            lambda old, new: self.told.append((old, new)),
        )

    @property
    def retry_at(self) -> float:
        """When it may be tried again; there is such a moment."""
        assert self.breaker.retry_at is not None
        return self.breaker.retry_at

    def admit(self) -> Ticket:
        """Let one request in that must get in."""
        ticket = self.breaker.admit()
        assert ticket is not None
        return ticket

    def end(self, *outcomes: Outcome) -> None:
        """Let requests through one after the other, with these ends."""
        for outcome in outcomes:
            self.admit().settle(outcome)

    def trip(self) -> None:
        """Fail until the breaker is open."""
        self.end(*[BAD] * 5)

    def cool(self) -> None:
        """Let the open time pass."""
        self.clock.time = self.retry_at

    def probe(self):
        """Trip, cool, and take the probe slot."""
        self.trip()
        self.cool()
        return self.admit()


def test_a_run_of_failures_trips():
    """The fifth failure in a row opens, and nobody is let in any more."""
    guarded = Guarded()
    guarded.end(*[BAD] * 4)
    before = guarded.breaker.state
    guarded.end(BAD)

    assert (before, guarded.breaker.state) == (CLOSED, OPEN)
    assert guarded.told == [(CLOSED, OPEN)]
    assert not guarded.breaker.allows()
    assert guarded.breaker.admit() is None


def test_a_success_breaks_the_run():
    """Failures with a success among them are not in a row."""
    guarded = Guarded()
    guarded.end(*[BAD, BAD, BAD, BAD, GOOD] * 3)

    assert guarded.breaker.state is CLOSED


def test_a_share_of_failures_trips():
    """Half of twenty outcomes bad is enough, mixed in as they may be; nineteen say nothing."""
    guarded = Guarded()
    guarded.end(*[GOOD, BAD] * 9, GOOD)
    before = guarded.breaker.state
    guarded.end(BAD)

    assert (before, guarded.breaker.state) == (CLOSED, OPEN)


def test_few_failures_never_trip():
    """One in twelve bad stays closed for a minute of steady traffic."""
    guarded = Guarded()
    for number in range(6000):
        guarded.clock.time += 0.01
        guarded.end(BAD if number % 12 == 0 else GOOD)

    assert guarded.breaker.state is CLOSED


def test_an_idle_window_is_forgotten():
    """Failures older than the window do not count towards the share."""
    guarded = Guarded(failure_threshold=100)
    guarded.end(*[BAD] * 19)
    guarded.clock.time += 10
    guarded.end(BAD)

    assert guarded.breaker.state is CLOSED


@pytest.mark.parametrize("outcome", [GONE, BUSY])
def test_what_is_nobodys_fault_changes_nothing(outcome):
    """Ten thousand callers who hang up, or are told of too many, neither trip a breaker nor break a run of failures."""
    guarded = Guarded()
    guarded.end(*[BAD] * 4, *[outcome] * 10_000)
    before = guarded.breaker.state
    guarded.end(BAD)

    assert (before, guarded.breaker.state) == (CLOSED, OPEN)


def test_the_open_time_doubles_up_to_a_minute():
    """Each failed probe doubles it, from 5 to 60 seconds, a fifth more or less; closing starts anew."""
    guarded = Guarded()
    guarded.trip()
    waits = []
    for _ in range(6):
        waits.append(guarded.retry_at - guarded.clock.time)
        guarded.cool()
        guarded.end(BAD)
    guarded.cool()
    guarded.end(GOOD)
    guarded.trip()
    waits.append(guarded.retry_at - guarded.clock.time)

    assert [pytest.approx(secs, rel=0.2) for secs in (5, 10, 20, 40, 60, 60, 5)] == waits
    assert len({wait / 60 for wait in waits[4:6]}) == 2  # spread


def test_a_busy_worker_is_left_alone_for_as_long_again():
    """However often a probe is answered busy, the wait does not grow: the worker lives."""
    guarded = Guarded()
    guarded.trip()
    waits = []
    for _ in range(20):
        guarded.cool()
        guarded.end(BUSY)
        waits.append(guarded.retry_at - guarded.clock.time)

    assert waits == [pytest.approx(5, rel=0.2)] * 20


def test_good_probes_before_a_busy_one_are_forgotten():
    """With a threshold of two, a busy answer between two good ones starts the count anew."""
    guarded = Guarded(success_threshold=2)
    guarded.probe().settle(GOOD)
    guarded.end(BUSY)
    guarded.cool()
    guarded.end(GOOD)

    assert guarded.breaker.state is HALF_OPEN


def test_nobody_enters_before_the_open_time_is_over():
    """Just before ``retry_at`` it refuses; at it one may try."""
    guarded = Guarded()
    guarded.trip()
    guarded.clock.time = guarded.retry_at - 0.001
    early = guarded.breaker.allows(), guarded.breaker.admit()
    guarded.cool()

    assert early == (False, None)
    assert guarded.breaker.allows()
    assert guarded.breaker.state is OPEN  # asking changes nothing
    assert guarded.admit().probe
    assert guarded.breaker.state is HALF_OPEN


def test_of_five_hundred_one_is_let_in():
    """While the probe runs everybody else is refused."""
    guarded = Guarded()
    guarded.trip()
    guarded.cool()
    tickets = [guarded.breaker.admit() for _ in range(500)]

    assert sum(ticket is not None for ticket in tickets) == 1
    assert not guarded.breaker.allows()


@pytest.mark.parametrize(
    ("outcome", "state", "allows"),
    [(GOOD, CLOSED, True), (BAD, OPEN, False), (BUSY, OPEN, False), (GONE, HALF_OPEN, True)],
)
def test_a_probe_decides(outcome, state, allows):
    """Well closes, ill and busy open, and a caller who leaves gives the slot to the next."""
    guarded = Guarded()
    guarded.probe().settle(outcome)

    assert (guarded.breaker.state, guarded.breaker.allows()) == (state, allows)
    assert guarded.told[-1] == (HALF_OPEN, state)


def test_the_first_verdict_stands():
    """Settling again, as every way out may do, changes nothing."""
    guarded = Guarded()
    ticket = guarded.probe()
    ticket.settle(GOOD)
    for _ in range(5):
        ticket.settle(BAD)

    assert guarded.breaker.state is CLOSED


def test_several_good_probes_may_be_wanted():
    """With a threshold of two, the second in a row closes, one at a time."""
    guarded = Guarded(success_threshold=2)
    guarded.probe().settle(GOOD)
    after_one = guarded.breaker.state, guarded.breaker.allows()
    guarded.end(GONE, GOOD)

    assert after_one == (HALF_OPEN, True)
    assert guarded.breaker.state is CLOSED


def test_good_probes_of_an_earlier_try_are_forgotten():
    """A failed probe between two good ones starts the count anew."""
    guarded = Guarded(success_threshold=2)
    guarded.probe().settle(GOOD)
    guarded.end(BAD)
    guarded.cool()
    guarded.end(GOOD)

    assert guarded.breaker.state is HALF_OPEN


def test_a_long_probe_gives_way_but_still_counts():
    """After its time another may try; the first one's verdict closes all the same."""
    guarded = Guarded()
    long = guarded.probe()
    guarded.cool()
    second, third = guarded.admit(), guarded.breaker.admit()
    long.settle(GOOD)
    second.settle(BAD)  # of an earlier state by now

    assert second.probe
    assert third is None
    assert guarded.breaker.state is CLOSED


def test_a_late_leaver_does_not_free_anothers_slot():
    """An overdue probe that is abandoned leaves the slot with whoever holds it now."""
    guarded = Guarded()
    long = guarded.probe()
    guarded.cool()
    guarded.admit()
    long.settle(GONE)

    assert guarded.breaker.admit() is None


def test_old_news_does_not_count():
    """Requests from before the trip that fail one by one neither reopen nor trip again."""
    guarded = Guarded()
    old = [guarded.admit() for _ in range(100)]
    probe = guarded.probe()
    for ticket in old[:50]:
        ticket.settle(BAD)
    during = guarded.breaker.state
    probe.settle(GOOD)
    for ticket in old[50:]:
        ticket.settle(BAD)

    assert (during, guarded.breaker.state) == (HALF_OPEN, CLOSED)


def test_a_closed_breaker_has_forgotten():
    """Neither the run nor the share of failures from before a trip count after it, however soon it closed."""
    guarded = Guarded(failure_threshold=19)
    guarded.end(*[BAD] * 19)
    guarded.breaker.half_open_now()
    guarded.end(GOOD, *[BAD] * 18)

    assert guarded.breaker.state is CLOSED


def test_health_that_comes_back_half_opens_at_once():
    """An open breaker lets a probe in without waiting; other states stay as they are."""
    guarded = Guarded()
    guarded.breaker.half_open_now()
    guarded.trip()
    guarded.breaker.half_open_now()
    guarded.breaker.half_open_now()

    assert guarded.told == [(CLOSED, OPEN), (OPEN, HALF_OPEN)]
    assert guarded.breaker.allows()


def test_a_tick_does_what_is_due():
    """At ``retry_at`` it half-opens, or frees an overdue slot, and tells; before, and when closed, nothing happens."""
    guarded = Guarded()
    guarded.breaker.tick()
    guarded.trip()
    guarded.breaker.tick()
    guarded.cool()
    guarded.breaker.tick()
    guarded.admit()
    guarded.cool()
    guarded.breaker.tick()

    assert guarded.told == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, HALF_OPEN), (HALF_OPEN, HALF_OPEN)]
    assert guarded.breaker.retry_at is None


def test_a_disabled_breaker_trusts_always():
    """Whatever fails, everybody is let in."""
    guarded = Guarded(disabled=True)
    guarded.end(*[BAD] * 1000)

    assert guarded.breaker.state is CLOSED
    assert guarded.told == []


def test_every_state_has_a_way_out():
    """The table names each state as a start, and leads from each to CLOSED."""
    reach = {state: {new for (old, _), new in TRANSITIONS.items() if old is state} for state in BreakerState}

    assert all(reach.values())
    assert CLOSED in reach[HALF_OPEN]
    assert reach[OPEN] == {HALF_OPEN}


@pytest.mark.parametrize(
    ("state", "move"), [pair for pair in product(BreakerState, Move) if pair not in TRANSITIONS], ids=str
)
def test_an_illegal_move_raises_and_changes_nothing(state, move):
    """A move that is not in the table is a bug of ours."""
    guarded = Guarded()
    guarded.breaker.state = state
    with pytest.raises(KeyError):
        guarded.breaker._move(move)

    assert guarded.breaker.state is state
    assert guarded.told == []
