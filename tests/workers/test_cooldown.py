"""A breaker is looked at when its time has come."""

from __future__ import annotations

import asyncio
from random import Random

from smg.core.words import Outcome
from smg.resilience.breaker import BreakerState, CircuitBreaker
from smg.resilience.settings import BreakerSettings
from smg.workers.cooldown import Cooldown
from tests.workers.support import SetClock


async def test_a_timer_that_is_early_leaves_no_worker_out() -> None:
    """When the loop looks at a cooled breaker before its time has come by the clock, it looks again."""
    clock = SetClock()
    looked: asyncio.Queue[bool] = asyncio.Queue()
    breaker = CircuitBreaker(
        BreakerSettings(open_secs=0.01, failure_threshold=1), clock, Random(1), lambda *_: cooldown.follow()
    )
    cooldown = Cooldown(breaker, clock, lambda: looked.put_nowait(breaker.allows()))
    ticket = breaker.admit()
    assert ticket is not None
    ticket.settle(Outcome.FAILED)

    assert not any([await looked.get() for _ in range(3)])
    clock.secs = 1.0
    async with asyncio.timeout(10):
        while not await looked.get():
            pass
    assert breaker.state is BreakerState.HALF_OPEN
