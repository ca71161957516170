"""Tests of smg.workers.watch."""

from __future__ import annotations

import asyncio

import pytest

from smg.core.errors import (
    ConnectTimeoutError,
    FirstByteTimeoutError,
    FirstTokenTimeoutError,
    StalledError,
    TotalTimeoutError,
    UpstreamTimeoutError,
)
from smg.core.words import WorkerId
from smg.resilience.settings import ClockSettings
from smg.workers.alarms import Alarms
from smg.workers.watch import Watch

LONG = 60.0


def watch(**secs: float) -> Watch:
    """Return a watch whose clocks are long but for those given."""
    return Watch(WorkerId("w"), clocks(**secs), Alarms(), stream=True)


def clocks(**secs: float) -> ClockSettings:
    """Return clocks that are long but for those given."""
    names = ("connect", "first_byte", "first_token", "between_chunks", "total")
    return ClockSettings(**{f"{name}_secs": secs.get(name, LONG) for name in names})


async def wait_in(running: Watch, marks: tuple[str, ...]) -> None:
    """Make the marks and then wait for nothing."""
    with running:
        for mark in marks:
            getattr(running, mark)()
        await asyncio.wait_for(asyncio.Event().wait(), 5)


@pytest.mark.parametrize(
    ("clock", "marks", "error"),
    [
        pytest.param("connect", (), ConnectTimeoutError, id="connect"),
        pytest.param("first_byte", ("sent",), FirstByteTimeoutError, id="first byte"),
        pytest.param("first_token", ("sent", "head"), FirstTokenTimeoutError, id="first token"),
        pytest.param("first_token", ("sent", "head", "chunk"), FirstTokenTimeoutError, id="a comment is no token"),
        pytest.param("between_chunks", ("sent", "head", "output"), StalledError, id="between chunks"),
        pytest.param("total", ("sent", "head", "output", "pause"), TotalTimeoutError, id="total"),
    ],
)
async def test_each_clock_ends_its_phase(clock, marks, error):
    """The clock of the phase runs out, and the error names it, its setting and what elapsed."""
    with pytest.raises(error, match=rf"{clock.replace('_', ' ')} clock ran out: 0.02 s allowed, 0.0\d\d s elapsed"):
        await wait_in(watch(**{clock: 0.02}), marks)


@pytest.mark.parametrize(
    ("settings", "own", "blames"),
    [
        pytest.param({"first_byte": 0.02}, None, True, id="the operator's clock"),
        pytest.param({"first_byte": 0.02}, {"first_byte": LONG}, False, id="a caller's shorter one"),
        pytest.param({"first_byte": 0.02}, {"first_byte": 0.01}, True, id="a caller's longer one"),
        pytest.param({"total": 0.02}, {"first_byte": 0.01}, False, id="a caller's total"),
        pytest.param({"total": 0.02}, None, True, id="the operator's total"),
    ],
)
async def test_a_callers_patience_says_nothing_of_the_worker(settings, own, blames):
    """A clock that the caller has set shorter than the operator's blames nobody."""
    own_clocks = None if own is None else clocks(**own)
    running = Watch(WorkerId("w"), clocks(**settings), Alarms(), stream=False, own=own_clocks)
    with pytest.raises(UpstreamTimeoutError) as caught:
        await wait_in(running, ("sent",))

    assert caught.value.blames is blames


async def test_what_comes_in_time_is_left_alone():
    """Marks keep the clocks away, and a finished exchange leaves no timer."""
    with watch(between_chunks=0.05) as running:
        running.head()
        for _ in range(4):
            running.output()
            await asyncio.sleep(0.02)


async def test_a_slow_caller_is_not_a_stalled_worker():
    """While nothing is read the gap does not count; afterwards it counts anew."""
    with watch(between_chunks=0.03) as running:
        running.output()
        running.pause()
        await asyncio.sleep(0.06)
        running.resume()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)


async def test_a_callers_cancellation_passes():
    """Who cancels the task gets a cancellation, not a time-out."""
    task = asyncio.get_running_loop().create_task(wait_in(watch(), ()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_time_outs_are_their_owners():
    """A TimeoutError from inside is not turned into one of the clocks."""
    with pytest.raises(TimeoutError, match="theirs"), watch():
        raise TimeoutError("theirs")


async def test_a_stopped_watch_ends_nothing():
    """Once the answer is complete neither silence nor the total ends it, nor does a slow caller start them again."""
    with watch(between_chunks=0.02, total=0.03) as running:
        running.output()
        running.stop()
        running.pause()
        running.resume()
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.1)
