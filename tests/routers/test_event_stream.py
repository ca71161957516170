"""Tests of smg.routers.event_stream."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from smg.core.errors import StreamBrokenError, UpstreamError, UpstreamRejectedError
from smg.core.events import AttemptEnded
from smg.core.words import Outcome
from smg.routers import event_stream
from smg.testing.sink import CollectingSink
from tests.routers.fleets import answering, fleet_of, inference

TOKEN = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"total_tokens":3}}\n\n'
OTHER = b'data: {"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
BODY = b'{"model":"tiny"}'
TWO = b'{"model":"tiny","n":2}'


class ShownSink(CollectingSink):
    """Tells when the caller has seen something."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Keep body bytes."""
        super().write(data)
        self.shown.set()


class PausingSink(ShownSink):
    """Stops reading at the usage."""

    def write(self, data: bytes) -> None:
        """Keep body bytes."""
        super().write(data)
        if data == USAGE:
            self.pause()


def streaming(
    *pieces: bytes | asyncio.Event,
    seen: list[str] | None = None,
    then: asyncio.Event | None = None,
    reset: bool = False,
):
    """Answer with these pieces as one event stream; then end it, reset it, or wait for ``then``."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        if seen is not None:
            seen.append(request.headers["x-request-id"])
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await (piece.wait() if isinstance(piece, asyncio.Event) else response.write(piece))
        if then is not None:
            await then.wait()
        if reset and request.transport is not None:
            request.transport.abort()
        await response.write_eof()
        return response

    return handle


async def outcome_of(*handles, sink=None, body=BODY, api_key=None):
    """Route one stream and return sink, error and outcomes."""
    async with fleet_of(*handles, api_key=api_key) as fleet:
        sink, error = sink or CollectingSink(), None
        try:
            await asyncio.wait_for(fleet.attempts.route(inference(body, stream=True), sink), 10)
        except UpstreamError as raised:
            error = raised
        return sink, error, [event.outcome for event in fleet.observer.of(AttemptEnded)]


async def test_a_whole_stream_passes_as_it_came():
    """Bytes and end are the worker's."""
    sink, error, outcomes = await outcome_of(streaming(TOKEN, LAST, DONE))

    assert (sink.body, sink.finished, error, outcomes) == (TOKEN + LAST + DONE, True, None, [Outcome.SUCCEEDED])


async def test_a_streams_length_is_not_passed_on():
    """Whatever the worker announces: where it breaks off, the error is the last event."""
    body = TOKEN + b"x" * 10

    async def announced(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="text/event-stream")

    sink, error, outcomes = await outcome_of(announced)

    assert sink.head.length is None
    assert isinstance(error, StreamBrokenError)
    assert outcomes == [Outcome.FAILED]


async def test_a_reason_to_finish_is_enough():
    """A stream without ``[DONE]`` that named its reason to finish is complete."""
    sink, error, outcomes = await outcome_of(streaming(TOKEN, LAST))

    assert (sink.body, sink.finished, error, outcomes) == (TOKEN + LAST, True, None, [Outcome.SUCCEEDED])


@pytest.mark.parametrize("end", ["fin", "reset", "silence"])
async def test_a_finished_stream_is_whole_however_it_ends(end, monkeypatch):
    """What the worker does after the last reason to finish, or fails to do, costs the caller a moment at most."""
    monkeypatch.setattr(event_stream, "LAST_BYTES_SECS", 0.1)
    sink = ShownSink()
    worker = streaming(LAST, sink.shown, reset=end == "reset", then=asyncio.Event() if end == "silence" else None)
    _, error, outcomes = await outcome_of(worker, sink=sink)

    assert (sink.body, sink.finished, error, outcomes) == (LAST, True, None, [Outcome.SUCCEEDED])


async def test_usage_after_the_finish_still_comes():
    """What comes in time after the last reason to finish belongs to the answer."""
    sink = ShownSink()
    _, error, _ = await outcome_of(streaming(LAST, sink.shown, USAGE, DONE), sink=sink)

    assert (sink.body, sink.finished, error) == (LAST + USAGE + DONE, True, None)


async def test_a_slow_caller_costs_no_time_for_the_rest(monkeypatch):
    """While nothing is read nothing can come; what comes once it is read belongs to the answer."""
    monkeypatch.setattr(event_stream, "LAST_BYTES_SECS", 0.1)
    sink, late = PausingSink(), asyncio.Event()
    async with fleet_of(streaming(LAST, sink.shown, USAGE, late, DONE)) as fleet:
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(inference(stream=True), sink))
        await asyncio.wait_for(sink.until_drained_on(), 5)
        await asyncio.wait([task], timeout=0.15)
        sink.resume()
        await asyncio.sleep(0)
        late.set()
        await asyncio.wait_for(task, 5)

    assert (sink.body, sink.finished) == (LAST + USAGE + DONE, True)


@pytest.mark.parametrize("end", ["fin", "reset"])
async def test_one_of_two_choices_is_not_the_whole(end):
    """A reason to finish counts for its own choice; the other one is missing."""
    sink = ShownSink()
    worker = streaming(TOKEN, LAST, sink.shown, reset=end == "reset")
    _, error, outcomes = await outcome_of(worker, sink=sink, body=TWO)

    assert isinstance(error, StreamBrokenError)
    assert (sink.body, sink.finished, outcomes) == (TOKEN + LAST, False, [Outcome.FAILED])


async def test_a_choice_may_take_longer_than_the_first(monkeypatch):
    """The end of one choice does not hurry the other."""
    monkeypatch.setattr(event_stream, "LAST_BYTES_SECS", 0.05)
    sink, late = ShownSink(), asyncio.Event()
    worker = streaming(LAST, late, OTHER, reset=True)
    async with fleet_of(worker) as fleet:
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(inference(TWO, stream=True), sink))
        await asyncio.wait_for(sink.shown.wait(), 5)
        await asyncio.wait([task], timeout=0.1)
        late.set()
        await asyncio.wait_for(task, 5)

    assert (sink.body, sink.finished) == (LAST + OTHER, True)


async def test_an_end_without_either_is_no_success():
    """Well ended for HTTP, but neither ``[DONE]`` nor a reason: the caller is told, the worker is blamed."""
    sink, error, outcomes = await outcome_of(streaming(TOKEN))

    assert isinstance(error, StreamBrokenError)
    assert (sink.body, sink.finished, outcomes) == (TOKEN, False, [Outcome.FAILED])


@pytest.mark.parametrize("first", [b'data: {"error":{"message":"x","code":500}}\n\n', b'data: {"error":"x"}\n\n', b""])
async def test_a_bad_begin_is_retried_elsewhere(first):
    """A 200 whose first event is an error, or that has none, moves the stream to another worker."""
    sink, error, outcomes = await outcome_of(streaming(first), streaming(TOKEN, DONE))

    assert (sink.body, error, outcomes) == (TOKEN + DONE, None, [Outcome.FAILED, Outcome.SUCCEEDED])


async def test_a_begin_that_blames_the_caller_is_the_answer():
    """An error event with a caller's status becomes an answer with that status, and nobody else is asked."""
    seen: list[str] = []
    bad = streaming(b'data: {"error":{"message":"too long","code":400}}\n\n', seen=seen)
    sink, error, outcomes = await outcome_of(bad, answering(seen=seen))

    assert outcomes == [Outcome.SUCCEEDED]
    assert isinstance(error, UpstreamRejectedError)
    assert error.upstream_status == 400
    assert error.body == b'{"error":{"message":"too long","code":400}}'
    assert sink.head is None
    assert len(seen) == 1


async def test_an_error_in_the_middle_is_the_last_event():
    """The engine's own error event is passed on, nothing after it, and the worker is blamed."""
    told = b'event: error\ndata: {"error":{"message":"x","code":500}}\n\n'
    sink = ShownSink()
    _, error, outcomes = await outcome_of(streaming(TOKEN, sink.shown, told, DONE), sink=sink)

    assert (sink.body, sink.finished, error, outcomes) == (TOKEN + told, True, None, [Outcome.FAILED])


async def test_an_error_event_that_shows_the_key_is_withheld():
    """The stream breaks off instead, and the worker is blamed."""
    told = b'data: {"error":{"message":"no \\u0073k-key"}}\n\n'
    sink = ShownSink()
    _, error, outcomes = await outcome_of(streaming(TOKEN, sink.shown, told, DONE), sink=sink, api_key="sk-key")

    assert isinstance(error, StreamBrokenError)
    assert (sink.body, sink.finished, outcomes) == (TOKEN, False, [Outcome.FAILED])


async def test_half_an_event_never_reaches_the_caller():
    """What was cut off in the middle of an event is held back."""
    sink = ShownSink()
    _, error, _ = await outcome_of(streaming(TOKEN, sink.shown, b'data: {"cho'), sink=sink)

    assert isinstance(error, StreamBrokenError)
    assert sink.body == TOKEN


async def test_too_large_an_event_breaks_off():
    """Beyond the cap nothing is held any longer."""
    sink = ShownSink()
    _, error, _ = await outcome_of(streaming(TOKEN, sink.shown, *[b"data: " + b"x" * 40_000] * 4), sink=sink)

    assert isinstance(error, StreamBrokenError)
    assert sink.body == TOKEN


async def test_the_caller_does_not_wait_for_the_connection():
    """``[DONE]`` finishes the answer at once, though the worker keeps its connection open."""
    held = asyncio.Event()
    async with fleet_of(streaming(TOKEN, DONE, then=held)) as fleet:
        sink = CollectingSink()
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(inference(stream=True), sink))
        async with asyncio.timeout(5):
            while not sink.finished:  # noqa: ASYNC110 - a sink does not tell
                await asyncio.sleep(0)
        assert not task.done()
        held.set()
        await asyncio.wait_for(task, 5)

        assert fleet.workers[0].in_flight == 0


async def test_the_connection_is_used_again():
    """After a whole stream the next request goes over the same connection."""
    peers = set()

    async def handle(request: web.BaseRequest):
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return await streaming(TOKEN, DONE)(request)

    async with fleet_of(handle) as fleet:
        for _ in range(3):
            await fleet.attempts.route(inference(stream=True), CollectingSink())

    assert len(peers) == 1
