"""Tests of smg.routers.plain_answer."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from aiohttp import web

from smg.core.errors import UpstreamError, UpstreamRejectedError
from smg.core.events import AttemptEnded
from smg.core.words import Endpoint, Outcome
from smg.routers.plain_answer import WHOLE_BYTES
from smg.testing.sink import CollectingSink
from tests.routers.fleets import SECOND, answering, fleet_of, inference


async def route(*handles, endpoint=Endpoint.CHAT, asked=b"", stream=False):
    """Route one request; return sink, error and outcomes."""
    request = inference(stream=stream)
    request.endpoint, request.headers = endpoint, ((b"accept-encoding", asked),)
    async with fleet_of(*handles) as fleet:
        sink, error = CollectingSink(), None
        try:
            await asyncio.wait_for(fleet.attempts.route(request, sink), 10)
        except UpstreamError as raised:
            error = raised
        return sink, error, [event.outcome for event in fleet.observer.of(AttemptEnded)]


def typed(content_type: str, *pieces: bytes, coding: str | None = None, then: asyncio.Event | None = None):
    """Answer in pieces, with this type and coding, and then wait for ``then``."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": content_type})
        if coding is not None:
            response.headers["content-encoding"] = coding
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if then is not None:
            await then.wait()
        await response.write_eof()
        return response

    return handle


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a":1}{"a":1}', b'{"a":"\xff"}', b'{"error":{"code":500}}'])
async def test_what_is_no_answer_is_made_good_elsewhere(body):
    """The worker is blamed, another one answers, and the caller sees nothing of it."""
    sink, error, outcomes = await route(answering(body=body), answering(body=SECOND))

    assert (sink.body, error, outcomes) == (SECOND, None, [Outcome.FAILED, Outcome.SUCCEEDED])


async def test_what_is_no_answer_of_the_last_worker_is_a_502():
    """Nothing of it is shown."""
    sink, error, _ = await route(answering(body=b"<html>"))

    assert (error and (error.status, error.code, error.message)) == (
        502,
        "upstream_failed",
        "the worker did not answer in json",
    )
    assert sink.head is None


async def test_an_error_that_blames_the_caller_is_the_answer():
    """It gets the status it names and its own words; nobody else is asked, and the worker did right."""
    told = b'{"error": {"message":"too long", "code":400}}'
    _, error, outcomes = await route(answering(body=told), answering(body=SECOND))

    assert isinstance(error, UpstreamRejectedError)
    assert (error.upstream_status, error.body, outcomes) == (400, told, [Outcome.SUCCEEDED])


@pytest.mark.parametrize("endpoint", [Endpoint.GENERATE, Endpoint.RERANK, Endpoint.CLASSIFY, Endpoint.TOKENIZE])
async def test_an_array_is_an_answer_to_some_requests(endpoint):
    """Engines answer several prompts, or documents, with an array of their answers."""
    sink, error, _ = await route(answering(body=b"[1, {}]"), endpoint=endpoint)

    assert (sink.body, error) == (b"[1, {}]", None)


async def test_embeddings_may_be_bare_numbers():
    """What was asked for as bytes is not JSON."""
    sink, error, _ = await route(typed("application/octet-stream", b"\x00\xff"), endpoint=Endpoint.EMBEDDINGS)

    assert (sink.body, error) == (b"\x00\xff", None)


async def test_a_coding_that_was_asked_for_is_not_looked_into():
    """Its bytes pass, whatever they are."""
    packed = gzip.compress(b"<html>")
    sink, error, _ = await route(typed("application/json", packed, coding="gzip"), asked=b"gzip")

    assert (sink.body, error) == (packed, None)


async def test_a_stream_in_a_coding_is_not_held_back():
    """Each piece is passed on when it comes."""
    held = asyncio.Event()
    request = inference(stream=True)
    request.headers = ((b"accept-encoding", b"gzip"),)
    async with fleet_of(typed("text/event-stream", b"\x1f\x8b", coding="gzip", then=held)) as fleet:
        sink = CollectingSink()
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(request, sink))
        async with asyncio.timeout(5):
            while not sink.body:  # noqa: ASYNC110 - a sink does not tell
                await asyncio.sleep(0)
        held.set()
        await asyncio.wait_for(task, 5)

    assert sink.body == b"\x1f\x8b"


@pytest.mark.parametrize(("size", "looked_into"), [(WHOLE_BYTES, True), (WHOLE_BYTES + 1, False)])
@pytest.mark.parametrize("announced", [True, False])
async def test_only_what_is_held_back_is_looked_into(size, looked_into, announced):
    """Up to 1 MiB, whether the worker said how long it is or not; beyond that it passes as it comes."""
    body = b"x" * size
    worker = answering(body=body) if announced else typed("application/json", body)
    sink, error, _ = await route(worker)

    assert (error is not None) is looked_into
    assert sink.body == (b"" if looked_into else body)
