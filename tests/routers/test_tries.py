"""Tests of smg.routers.tries."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from aiohttp import web

from smg.core.clock import MonotonicClock
from smg.core.errors import Retry, StaleConnectionError, UpstreamError, UpstreamRejectedError
from smg.core.events import AttemptEnded
from smg.core.words import LifeState, Outcome, WorkerId
from smg.resilience.breaker import BreakerState
from smg.resilience.budget import RetryBudget
from smg.resilience.settings import BudgetSettings
from smg.routers.tries import Tries
from smg.testing.sink import CollectingSink
from smg.workers.settings import RetrySettings
from tests.routers.fleets import FIRST, SECOND, answering, fleet_of, inference
from tests.workers.support import build

NONE_LEFT = BudgetSettings(ratio=0.0, floor=0)


def tries(settings: BudgetSettings) -> Tries:
    """Return the tries of one request."""
    return Tries(RetryBudget(settings, MonotonicClock()), Random(1))


def failure(retry: Retry, retry_after_secs: float | None = None) -> UpstreamError:
    """Return a worker's failure."""
    return UpstreamError(WorkerId("w"), "failed", retry=retry, retry_after_secs=retry_after_secs)


def test_a_spent_budget_ends_the_tries():
    """What may have reached a worker is charged; what did not is free."""
    assert tries(NONE_LEFT).spent(failure(Retry.IF_IDEMPOTENT), RetrySettings(), 1)
    assert not tries(NONE_LEFT).spent(failure(Retry.SAFE), RetrySettings(), 1)


@pytest.mark.parametrize(
    ("retry", "settings", "attempts"),
    [
        pytest.param(Retry.NEVER, RetrySettings(), 1, id="may not be repeated"),
        pytest.param(Retry.SAFE, RetrySettings(max_retries=2), 2, id="as often as this worker allows"),
        pytest.param(Retry.SAFE, RetrySettings(disable_retry=True), 1, id="switched off"),
    ],
)
def test_some_failures_are_the_last_word(retry, settings, attempts):
    """Whoever is left."""
    assert tries(BudgetSettings()).spent(failure(retry), settings, attempts)


def test_the_worker_may_ask_for_time():
    """``Retry-After`` is waited for, up to five seconds."""
    waits = [tries(BudgetSettings()).pause_secs(failure(Retry.SAFE, secs), RetrySettings()) for secs in (2.0, 900.0)]

    assert waits == [2.0, 5.0]


def test_a_few_stale_connections_are_forgiven():
    """A pool may hold several: three are forgiven, the fourth counts; another failure in between is none of them."""
    stale = StaleConnectionError(WorkerId("w"), "closed", retry=Retry.IF_IDEMPOTENT)
    state, worker = tries(NONE_LEFT), build("http://h:1")

    assert not state.forgives(failure(Retry.SAFE), worker)
    assert [state.forgives(stale, worker) for _ in range(4)] == [True, True, True, False]


async def test_a_stale_connection_sends_the_request_elsewhere():
    """The worker that closed it is asked again only where nobody else is left."""
    seen: list[str] = []

    async def stale(request: web.BaseRequest) -> web.Response:
        seen.append("first")
        if len(seen) > 1:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
        return web.Response(body=FIRST)

    async with fleet_of(stale, answering(body=SECOND)) as fleet:
        bodies, outcomes = [], []
        for _ in range(2):
            sink = CollectingSink()
            await fleet.attempts.route(inference(), sink)
            bodies.append(sink.body)
        outcomes = [(event.worker_id, event.outcome) for event in fleet.observer.of(AttemptEnded)]

        assert bodies == [FIRST, SECOND]
        assert outcomes[1:] == [("w0", Outcome.ABANDONED), ("w1", Outcome.SUCCEEDED)]
        assert fleet.waits == []


async def test_a_worker_that_closes_its_connections_serves_every_request():
    """The only worker closes each kept connection under the next request: no caller notices, the breaker stays."""
    served = 0

    async def once(request: web.BaseRequest) -> web.Response:
        nonlocal served
        served += 1
        if served % 2 == 0:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
        return web.Response(body=b"{}")

    async with fleet_of(once) as fleet:
        for _ in range(6):
            await fleet.attempts.route(inference(), CollectingSink())

        assert fleet.workers[0].breaker.state is BreakerState.CLOSED


async def test_a_worker_that_keeps_failing_is_left_alone():
    """After three failures in a row nobody is sent to it; when its health comes back it is tried at once."""
    seen: list[str] = []
    async with fleet_of(answering(500, seen=seen), retry=RetrySettings(disable_retry=True)) as fleet:
        for _ in range(3):
            with pytest.raises(UpstreamRejectedError):
                await fleet.attempts.route(inference(), CollectingSink())
        worker = fleet.workers[0]

        assert worker.breaker.state is BreakerState.OPEN
        assert not worker.available
        worker.move(LifeState.UNHEALTHY, "probes fail")
        worker.move(LifeState.READY, "answers again")
        assert worker.available
        assert len(seen) == 3


async def test_a_busy_worker_is_passed_over():
    """A worker with as many requests as it may have refuses the lease, and another is picked without a try."""
    async with fleet_of(answering(body=FIRST), answering(body=SECOND)) as fleet:
        full = fleet.workers[0]
        full.in_flight = full.settings.pool.max_in_flight
        sink, request = CollectingSink(), inference()
        await fleet.attempts.route(request, sink)
        full.in_flight = 0

        assert (sink.body, request.trail.attempts) == (SECOND, 1)
