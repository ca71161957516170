"""What the bookkeeping around one exchange with a worker costs: trust, a slot, five clocks."""

from __future__ import annotations

from random import Random

from smg.core.clock import MonotonicClock
from smg.core.words import Outcome, WorkerId
from smg.resilience.breaker import CircuitBreaker
from smg.resilience.clocks import Clocks
from smg.resilience.settings import BreakerSettings, ClockSettings
from smg.workers.alarms import Alarms
from smg.workers.watch import Watch
from tests.workers.support import build

CLOCKS = ClockSettings()


def test_breaker(benchmark):
    """One request let in and settled well."""
    breaker = CircuitBreaker(BreakerSettings(), MonotonicClock(), Random(1), lambda *_: None)

    def guarded():
        if ticket := breaker.admit():
            ticket.settle(Outcome.SUCCEEDED)
        return ticket

    assert benchmark(guarded) is not None


async def test_lease(benchmark):
    """One slot of a worker taken and given back, its breaker included."""
    worker = build("http://127.0.0.1:9", runtime="vllm")

    def leased():
        with worker.lease(10) as lease:
            lease.settle(Outcome.SUCCEEDED)

    benchmark(leased)
    assert worker.in_flight == 0


def test_clocks(benchmark):
    """All marks of an exchange of three chunks."""

    def exchange():
        clocks = Clocks(CLOCKS, 0.0, stream=True)
        clocks.sent(0.1)
        clocks.head(0.2)
        for now in (0.3, 0.4, 0.5):
            clocks.output(now)
            clocks.alive_at = now
        return clocks.expired(0.6)

    assert benchmark(exchange) is None


async def test_watch(benchmark):
    """One exchange under watch: its alarm set and given back, its marks made."""
    alarms = Alarms()

    def exchange():
        with Watch(WorkerId("w"), CLOCKS, alarms, stream=True) as watch:
            watch.sent()
            watch.head()
            watch.output()
            watch.chunk()
        return watch

    assert isinstance(benchmark(exchange), Watch)
