"""Tests of smg.middleware.admit."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from smg.core.clock import MonotonicClock
from smg.core.errors import OverloadedError, RateLimitedError
from smg.core.request import Handler, Request, Sink, reply
from smg.middleware.admit import Admission, Line
from smg.middleware.settings import CallerSettings, ConcurrencySettings, LimitSettings, RateSettings
from smg.resilience.settings import GateSettings
from smg.server.processes.board import Board, Table
from smg.server.schema import Settings
from smg.server.settings import ServerSettings
from smg.testing.sink import CollectingSink
from tests.middleware.recording import StepClock


async def _nothing() -> bytes:
    return b""


def request() -> Request:
    """Return any request."""
    return Request("r", "POST", "/", "", (), {}, _nothing, 0.0)


class Slow:
    """A handler that answers when told to."""

    def __init__(self) -> None:
        self.running = 0
        self.go = asyncio.Event()

    async def __call__(self, _: Request, sink: Sink) -> None:
        self.running += 1
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        reply(sink, 200, b"{}")


def admission(limit: int, queue: int, secs: float = 60.0) -> Admission:
    """Return limits on concurrency alone."""
    gate = ConcurrencySettings(limit=limit, queue_size=queue, queue_timeout_secs=secs)
    return Admission(LimitSettings(concurrency=gate), (), MonotonicClock())


async def ask(handler: Handler) -> None:
    """Send one request."""
    await handler(request(), CollectingSink())


async def turns(count: int = 5) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_so_many_run_so_many_wait_the_rest_is_refused():
    """Two run, one waits, the fourth is told to come back; when one ends the waiting one runs."""
    slow = Slow()
    handler = admission(2, 1).within(slow)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(ask(handler))
        await turns()
        with pytest.raises(OverloadedError) as raised:
            await handler(request(), CollectingSink())
        assert (slow.running, raised.value.retry_after_secs) == (2, 1.0)
        slow.go.set()

    assert slow.running == 0


async def test_no_body_is_asked_for_that_would_be_refused():
    """While some run and some wait as many as may, the rest is refused before it is complete; then no more."""
    slow, early = Slow(), Slow()
    limits = admission(1, 1)
    early.go.set()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            await ask(limits.around(early))
            group.create_task(ask(limits.within(slow)))
            await turns()
        with pytest.raises(OverloadedError):
            await ask(limits.around(early))
        slow.go.set()
    await ask(limits.around(early))

    assert (early.running, slow.running) == (0, 0)


async def test_who_leaves_the_line_frees_its_place():
    """A waiting caller who goes away is never served, and another may wait instead."""
    slow = Slow()
    handler = admission(1, 1).within(slow)
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(ask(handler)) for _ in range(2)]
    await turns()
    tasks[1].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[1]
    tasks[1] = loop.create_task(ask(handler))
    await turns()
    slow.go.set()
    await asyncio.gather(*tasks)

    assert slow.running == 0


async def test_one_waits_only_so_long():
    """The wait has a deadline."""
    slow = Slow()
    handler = admission(1, 5, 0.02).within(slow)
    running = asyncio.get_running_loop().create_task(ask(handler))
    await turns()
    with pytest.raises(OverloadedError):
        await handler(request(), CollectingSink())
    slow.go.set()
    await running


async def test_a_place_outlives_no_failure():
    """Whatever happens inside, the place is given back."""
    line = Line(GateSettings(limit=1, queue_size=0), MonotonicClock())
    for _ in range(3):
        with suppress(ValueError):
            async with line.place():
                raise ValueError

    async with line.place():
        pass


async def test_the_rate_is_the_callers_own():
    """Beyond the burst it is 429 with the time to come back; a rate of 0 refuses everything."""
    slow = Slow()
    slow.go.set()
    limits = Admission(LimitSettings(rate=RateSettings(rate_per_sec=1, burst=2)), (), MonotonicClock())
    handler = limits.around(slow)
    for _ in range(2):
        await handler(request(), CollectingSink())
    with pytest.raises(RateLimitedError) as raised:
        await handler(request(), CollectingSink())
    closed = Admission(LimitSettings(rate=RateSettings(rate_per_sec=0)), (), MonotonicClock()).around(slow)
    with pytest.raises(RateLimitedError):
        await closed(request(), CollectingSink())

    assert raised.value.retry_after_secs == pytest.approx(1.0, abs=0.1)


async def passed(handler: Handler, caller: str | None, asks: int) -> int:
    """Return how many of so many requests of a caller pass."""
    count = 0
    for _ in range(asks):
        asked = request()
        asked.trail.caller = caller
        with suppress(RateLimitedError):
            await handler(asked, CollectingSink())
            count += 1
    return count


async def test_each_caller_has_a_rate_of_its_own():
    """One at its limit takes nothing of the others, nor of what all have together; an empty rate is none."""
    slow = Slow()
    slow.go.set()
    slowly = RateSettings(rate_per_sec=0.001, burst=2)
    callers = [
        CallerSettings(name="usual", api_key="k1"),
        CallerSettings(name="more", api_key="k2", rate=RateSettings(rate_per_sec=0.001, burst=5)),
        CallerSettings(name="free", api_key="k3", rate=RateSettings()),
    ]
    shared = RateSettings(rate_per_sec=0.001, burst=30)
    handler = Admission(LimitSettings(rate=shared, per_caller=slowly), callers, StepClock()).around(slow)

    assert [await passed(handler, name, 10) for name in ("usual", "more", "free", None)] == [2, 5, 10, 10]
    assert await passed(handler, "free", 10) == 3


async def test_caller_at_its_limit_is_told_when_to_come_back():
    """429, and the time is that of its own rate."""
    slow = Slow()
    slow.go.set()
    callers = [CallerSettings(name="a", api_key="k", rate=RateSettings(rate_per_sec=0.5))]
    handler = Admission(LimitSettings(), callers, StepClock()).around(slow)
    asked = request()
    asked.trail.caller = "a"
    await handler(asked, CollectingSink())
    with pytest.raises(RateLimitedError, match="of this caller") as raised:
        await handler(asked, CollectingSink())

    assert raised.value.retry_after_secs == 2.0


async def test_no_limit_costs_nothing():
    """Without settings the handler is left as it is."""
    slow = Slow()

    callers = [CallerSettings(name="a", api_key="k")]

    free = Admission(LimitSettings(), callers, MonotonicClock())

    assert (free.around(slow), free.within(slow)) == (slow, slow)


async def test_lines_of_one_limit_wake_one_another():
    """Who waits in one process runs soon after a place has become free in another, the oldest first."""
    settings = Settings(server=ServerSettings(processes=2))
    table = Table(settings)
    gate = GateSettings(limit=1, queue_size=5, queue_timeout_secs=5.0)
    one, two = (Line(gate, MonotonicClock(), Board(table, row)) for row in (0, 1))
    order: list[str] = []

    async def run(line: Line, name: str, go: asyncio.Event) -> None:
        async with line.place():
            order.append(name)
            await go.wait()

    first, rest = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for line, name, go in (
            (one, "first", first),
            (two, "second", rest),
            (one, "third", rest),
            (two, "fourth", rest),
        ):
            group.create_task(run(line, name, go))
            await turns()
        assert order == ["first"]
        rest.set()
        first.set()
    async with asyncio.timeout(5), one.place():
        pass
    table.close()

    assert order == ["first", "second", "third", "fourth"]
