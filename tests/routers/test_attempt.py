"""Tests of smg.routers.attempt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from smg.core.errors import InvalidRequestError, UpstreamError, UpstreamRejectedError, UpstreamTimeoutError
from smg.core.events import AttemptEnded
from smg.core.words import Outcome
from smg.testing.sink import CollectingSink
from smg.workers.settings import RetrySettings
from tests.routers.fleets import answering, breaking, fleet_of, inference

if TYPE_CHECKING:
    from tests.routers.fleets import Handle


def telling(status: int) -> Handle:
    """Begin a stream with an error event of this status."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        error = b'data: {"error":{"message":"no","code":%d}}\n\n' % status
        return web.Response(body=error, content_type="text/event-stream")

    return handle


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


@pytest.mark.parametrize(
    ("handle", "stream", "outcome"),
    [
        pytest.param(answering(429), False, Outcome.BUSY, id="too many"),
        pytest.param(answering(503), False, Outcome.FAILED, id="unavailable"),
        pytest.param(answering(500), False, Outcome.FAILED, id="broken"),
        pytest.param(answering(422), False, Outcome.SUCCEEDED, id="the caller's fault"),
        pytest.param(telling(429), True, Outcome.BUSY, id="too many, in the stream"),
        pytest.param(telling(500), True, Outcome.FAILED, id="broken, in the stream"),
        pytest.param(telling(400), True, Outcome.SUCCEEDED, id="the caller's fault, in the stream"),
    ],
)
async def test_what_a_refusal_says_of_the_worker(handle: Handle, stream: bool, outcome: Outcome) -> None:
    """Too many is busy, whether the status or a stream's first event says so; a caller's fault is a job well done."""
    async with fleet_of(handle) as fleet:
        with pytest.raises(UpstreamError):
            await fleet.attempts.route(inference(stream=stream), CollectingSink())

        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [outcome]


@pytest.mark.parametrize("field", [(b"x-smg-timeout-first-token", b"soon"), (b"x-note", b"\xff")])
async def test_what_the_gateway_refuses_says_nothing_of_the_worker(field: tuple[bytes, bytes]) -> None:
    """Nobody was asked, so nobody did well: it would close the breaker of a worker that is dead."""
    async with fleet_of(answering()) as fleet:
        with pytest.raises(InvalidRequestError):
            await fleet.attempts.route(inference(headers=(field,)), CollectingSink())

        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.ABANDONED]


async def test_a_callers_short_patience_trips_no_breaker() -> None:
    """However often a caller gives up after a tenth of a second, the worker is not to blame for it."""

    async def think(_: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with fleet_of(think, retry=RetrySettings(disable_retry=True)) as fleet:
        for _ in range(4):
            asked = inference(headers=((b"x-smg-timeout-first-byte", b"0.1"),))
            with pytest.raises(UpstreamTimeoutError):
                await fleet.attempts.route(asked, CollectingSink())

        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.ABANDONED] * 4
        assert fleet.workers[0].available


async def test_too_many_is_busy_even_where_it_is_the_last_word() -> None:
    """Whether a 429 is tried elsewhere is the operator's choice; what it says of the worker is not."""
    async with fleet_of(answering(429), retry=RetrySettings(retryable_status_codes=(500,))) as fleet:
        with pytest.raises(UpstreamRejectedError):
            await fleet.attempts.route(inference(), CollectingSink())

        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.BUSY]


async def test_each_attempt_is_told_once():
    """One event per attempt, numbered from 1, with the code of its failure."""
    async with fleet_of(breaking(b""), answering()) as fleet:
        await fleet.attempts.route(inference(), CollectingSink())
        events = fleet.observer.of(AttemptEnded)

        assert [(event.attempt, event.worker_id) for event in events] == [(1, "w0"), (2, "w1")]
        assert [event.error_code for event in events] == ["upstream_failed", None]
