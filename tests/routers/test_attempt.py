"""Tests of smg.routers.attempt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from smg.core.events import AttemptEnded
from smg.core.words import Outcome
from smg.testing.sink import CollectingSink
from tests.routers.fleets import answering, breaking, fleet_of, inference

if TYPE_CHECKING:
    from aiohttp import web


async def test_a_caller_who_leaves_counts_against_nobody():
    """Cancelled while the worker thinks: the attempt is abandoned, the slot is free, the worker is told."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def think(_: web.BaseRequest) -> web.Response:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    async with fleet_of(think) as fleet:
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(inference(), CollectingSink()))
        await asyncio.wait_for(asked.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await asyncio.wait_for(left.wait(), 0.25)

        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.ABANDONED]
        assert fleet.workers[0].in_flight == 0


async def test_each_attempt_is_told_once():
    """One event per attempt, numbered from 1, with the code of its failure."""
    async with fleet_of(breaking(b""), answering()) as fleet:
        await fleet.attempts.route(inference(), CollectingSink())
        events = fleet.observer.of(AttemptEnded)

        assert [(event.attempt, event.worker_id) for event in events] == [(1, "w0"), (2, "w1")]
        assert [event.error_code for event in events] == ["upstream_failed", None]
