"""Tests of smg.routers.attempts."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiohttp import web

from smg.core.errors import (
    NoWorkerError,
    StalledError,
    StreamBrokenError,
    UnknownModelError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamRejectedError,
)
from smg.core.events import AttemptEnded
from smg.core.words import LifeState, Outcome
from smg.testing.sink import CollectingSink
from smg.workers.life import Life
from smg.workers.settings import RetrySettings
from tests.routers.fleets import SECOND, answering, breaking, fleet_of, inference


async def test_a_failed_worker_is_followed_by_another():
    """A refused connection moves the request to the next worker, which answers."""
    async with fleet_of(answering(), answering(body=SECOND)) as fleet:
        await fleet.workers[0].aclose()
        sink, request = CollectingSink(), inference()
        await fleet.attempts.route(request, sink)

        assert sink.body == SECOND
        assert request.trail.attempts == 2
        assert request.trail.worker_id == "w1"


async def test_a_failed_worker_is_not_tried_twice():
    """With two workers that fail each sees the request once, and the last failure is the answer."""
    seen: list[str] = []
    async with fleet_of(answering(503, seen=seen), answering(500, b"last", seen=seen)) as fleet:
        with pytest.raises(UpstreamRejectedError) as raised:
            await fleet.attempts.route(inference(), CollectingSink())

        assert raised.value.upstream_status == 500
        assert raised.value.body == b"last"
        assert seen == ["r1", "r1"]


async def test_the_limit_counts_the_first_attempt():
    """``max_retries`` 2 lets two of three workers see the request."""
    seen: list[str] = []
    handles = [answering(503, seen=seen) for _ in range(3)]
    async with fleet_of(*handles, retry=RetrySettings(max_retries=2)) as fleet:
        with pytest.raises(UpstreamRejectedError):
            await fleet.attempts.route(inference(), CollectingSink())

        assert len(seen) == 2


async def test_retries_can_be_switched_off():
    """With retries off the first failure is the answer."""
    seen: list[str] = []
    async with fleet_of(answering(503, seen=seen), answering(seen=seen), retry=RetrySettings(disable_retry=True)) as f:
        with pytest.raises(UpstreamRejectedError):
            await f.attempts.route(inference(), CollectingSink())

        assert len(seen) == 1


async def test_a_callers_fault_is_not_retried():
    """A 422 of the engine is passed on and no other worker is asked."""
    seen: list[str] = []
    async with fleet_of(answering(422, seen=seen), answering(seen=seen)) as fleet:
        with pytest.raises(UpstreamRejectedError):
            await fleet.attempts.route(inference(), CollectingSink())

        assert len(seen) == 1
        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.SUCCEEDED]


async def test_nothing_is_retried_after_the_first_byte():
    """A stream that breaks off is told as broken, and no other worker is asked."""
    seen: list[str] = []
    async with fleet_of(breaking(b"data: 1\n\n"), answering(seen=seen)) as fleet:
        sink = CollectingSink()
        with pytest.raises(StreamBrokenError):
            await fleet.attempts.route(inference(stream=True), sink)

        assert sink.body == b"data: 1\n\n"
        assert not sink.finished
        assert seen == []


async def test_silence_after_the_first_byte_is_not_retried():
    """A stream that stalls is told as stalled, and no other worker is asked."""

    async def stall(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
        await asyncio.Event().wait()
        raise AssertionError

    seen: list[str] = []
    async with fleet_of(stall, answering(seen=seen)) as fleet:
        first = fleet.workers[0]
        clocks = msgspec.structs.replace(first.settings.timeouts, between_chunks_secs=0.05)
        first.settings = msgspec.structs.replace(first.settings, timeouts=clocks)
        with pytest.raises(StalledError):
            await fleet.attempts.route(inference(stream=True), CollectingSink())

        assert seen == []


async def test_a_stream_without_a_first_byte_is_retried():
    """A worker that sends a head and breaks off is replaced before the caller sees anything."""
    async with fleet_of(breaking(b""), answering(body=SECOND)) as fleet:
        sink = CollectingSink()
        await fleet.attempts.route(inference(stream=True), sink)

        assert sink.body == SECOND


async def test_a_plain_answer_that_breaks_off_is_retried():
    """Half a JSON answer never reaches the caller."""
    async with fleet_of(breaking(b'{"ok":', announce=11), answering(body=b'{"ok":true}')) as fleet:
        sink = CollectingSink()
        await fleet.attempts.route(inference(), sink)

        assert sink.body == b'{"ok":true}'


async def test_nobody_who_can_be_connected_to_is_nobody():
    """The only worker refuses the connection: 503 with a time to come back; the attempt keeps the cause."""
    for retry in (RetrySettings(), RetrySettings(disable_retry=True)):
        async with fleet_of(answering(), retry=retry) as fleet:
            await fleet.workers[0].aclose()
            with pytest.raises(NoWorkerError, match="can be connected to") as raised:
                await fleet.attempts.route(inference(), CollectingSink())

            assert raised.value.retry_after_secs == 1.0
            assert isinstance(raised.value.__context__, UpstreamConnectError)
            assert [event.error_code for event in fleet.observer.of(AttemptEnded)] == ["upstream_connect_failed"]


async def test_a_worker_that_cannot_be_connected_to_is_named_where_others_are_left():
    """Only the tries are spent: somebody could have served, so it is not told that nobody can."""
    async with fleet_of(answering(), answering(), retry=RetrySettings(max_retries=1)) as fleet:
        await fleet.workers[0].aclose()
        with pytest.raises(UpstreamConnectError):
            await fleet.attempts.route(inference(), CollectingSink())


async def test_the_last_failure_decides_what_is_told():
    """After a refused connection another worker's own refusal is passed on, with its wish to be left alone."""
    async with fleet_of(answering(), answering(503, headers={"retry-after": "7"})) as fleet:
        await fleet.workers[0].aclose()
        with pytest.raises(UpstreamRejectedError) as raised:
            await fleet.attempts.route(inference(), CollectingSink())

        assert (raised.value.upstream_status, dict(raised.value.headers)[b"retry-after"]) == (503, b"7")


async def test_a_policy_that_sticks_to_a_worker_is_given_another():
    """The policy of these tests always takes the first it is offered; whoever failed is not offered again."""
    async with fleet_of(answering(503), answering(503), answering(body=SECOND)) as fleet:
        sink = CollectingSink()
        await fleet.attempts.route(inference(), sink)

        assert sink.body == SECOND
        assert [event.worker_id for event in fleet.observer.of(AttemptEnded)] == ["w0", "w1", "w2"]


async def test_back_off_stays_within_its_bounds():
    """Each wait is between nothing and the exponential bound."""
    retry = RetrySettings(initial_backoff_ms=100, max_backoff_ms=150, backoff_multiplier=2)
    async with fleet_of(*[answering(503) for _ in range(4)], retry=retry) as fleet:
        with pytest.raises(UpstreamError):
            await fleet.attempts.route(inference(), CollectingSink())

        assert len(fleet.waits) == 3
        assert fleet.waits[0] <= 0.1
        assert all(0 <= wait <= 0.15 for wait in fleet.waits)


async def test_an_unknown_model_is_told_from_one_that_is_out():
    """Nobody registered is 404; registered but not available is 503 with a time to come back."""
    async with fleet_of(answering()) as fleet:
        with pytest.raises(UnknownModelError):
            await fleet.attempts.route(inference(model="other"), CollectingSink())
        fleet.workers[0].move(LifeState.UNHEALTHY, "gone")
        with pytest.raises(NoWorkerError) as raised:
            await fleet.attempts.route(inference(), CollectingSink())

        assert raised.value.retry_after_secs == 1.0


async def test_a_fleet_that_is_starting_is_told_from_one_without_the_model():
    """While a worker has not yet said what it serves, a caller is asked to come back."""
    async with fleet_of(answering()) as fleet:
        worker = fleet.workers[0]
        worker.move(LifeState.UNHEALTHY, "out")
        worker.models = ()
        fleet.workers[0].life = Life(LifeState.PENDING, "not yet probed", 0.0)
        with pytest.raises(NoWorkerError, match="still starting"):
            await fleet.attempts.route(inference(), CollectingSink())


async def test_slots_are_given_back():
    """After success and failure nobody has anything in flight, and each attempt told one outcome."""
    async with fleet_of(answering(503), answering()) as fleet:
        await fleet.attempts.route(inference(), CollectingSink())

        assert [worker.in_flight for worker in fleet.workers] == [0, 0]
        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.FAILED, Outcome.SUCCEEDED]


async def test_each_worker_has_its_own_rules():
    """A worker that is not to be followed by a retry is not, and its statuses are its own."""
    seen: list[str] = []
    async with fleet_of(answering(503, seen=seen), answering(418, seen=seen), answering(seen=seen)) as fleet:
        first, second, _ = fleet.workers
        second.settings = msgspec.structs.replace(second.settings, retry=RetrySettings(retryable_status_codes=(418,)))
        await fleet.attempts.route(inference(), CollectingSink())
        assert len(seen) == 3

        first.settings = msgspec.structs.replace(first.settings, retry=RetrySettings(disable_retry=True))
        with pytest.raises(UpstreamRejectedError):
            await fleet.attempts.route(inference(), CollectingSink())
        assert len(seen) == 4
