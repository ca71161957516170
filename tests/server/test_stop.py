"""How a gateway is told to end."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from smg.server.stop import Stop, signalled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains_the_second_hurries(number):
    """Each signal is heard, and none after the block."""
    with signalled() as stop:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.drain.wait(), 5)
        assert not stop.hurry.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.hurry.wait(), 5)


async def test_a_signal_that_says_what_is_known_is_no_hurry():
    """A process group's signal reaches whoever drains already, and means the same."""
    stop = Stop()
    stop.drain.set()
    stop.signal()
    assert not stop.hurry.is_set()
    stop.signal()
    assert stop.hurry.is_set()


async def test_work_ends_by_itself_or_in_a_hurry():
    """A hurry cancels it; without one it comes to its end."""
    stop, ends = Stop(), []

    async def work(never):
        try:
            await never.wait()
            ends.append("done")
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    done, never = asyncio.Event(), asyncio.Event()
    done.set()
    await stop.unless_hurried(work(done))
    stop.at_once()
    assert stop.drain.is_set()
    await stop.unless_hurried(work(never))

    assert ends == ["done", "cancelled"]
