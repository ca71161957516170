"""Tests of smg.core.tasks."""

from __future__ import annotations

import asyncio

from smg.core.events import TaskFailed
from smg.core.tasks import Tasks
from tests.workers.support import Recorder


async def test_a_failure_is_told_once_by_name():
    """A task that raises is told to the observer and forgotten."""

    async def fail() -> None:
        raise ValueError("broken")

    observer = Recorder()
    tasks = Tasks(observer)
    await asyncio.wait([tasks.spawn("bad", fail())])
    await asyncio.sleep(0)

    assert [(event.name, type(event.error)) for event in observer.of(TaskFailed)] == [("bad", ValueError)]
    assert len(tasks) == 0


async def test_closing_ends_what_runs():
    """What still runs is cancelled, gets to clean up, and counts as no failure; closing twice is safe."""
    cleaned = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    observer = Recorder()
    tasks = Tasks(observer)
    _ = tasks.spawn("waits", wait())
    await asyncio.sleep(0)
    await tasks.aclose()
    await tasks.aclose()

    assert cleaned.is_set()
    assert observer.events == []
    assert len(tasks) == 0


async def test_waiting_for_idleness_has_an_end():
    """It returns when nothing runs, and else when its time is up, cancelling nothing."""
    done = asyncio.Event()

    async def wait() -> None:
        await done.wait()

    tasks = Tasks(Recorder())
    await tasks.idle(0)
    _ = tasks.spawn("waits", wait())
    await tasks.idle(0.01)
    assert len(tasks) == 1
    done.set()
    await tasks.idle(5)

    assert len(tasks) == 0
