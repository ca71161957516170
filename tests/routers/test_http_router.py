"""Tests of smg.routers.http_router."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from smg.core.errors import UnsupportedEndpointError, UpstreamError
from smg.core.events import AttemptEnded
from smg.core.words import Endpoint, Outcome, Runtime
from smg.testing.sink import CollectingSink
from smg.workers.spec import read_spec
from tests.routers.fleets import SECOND, answering, fleet_of, inference


async def test_bytes_pass_untouched_both_ways():
    """Odd numbers, key order, unknown fields and white space reach the worker, and its bytes the caller."""
    body = b'{ "zz": 1.0e+02, "model" :"tiny","messages":[],  "x":{"a":1,"a":2}}'
    got: list[bytes] = []

    async def echo(request: web.BaseRequest) -> web.Response:
        got.append(await request.read())
        return web.Response(body=b'{"b": 1.50}\n', content_type="application/json")

    async with fleet_of(echo) as fleet:
        sink = CollectingSink()
        await fleet.attempts.route(inference(body), sink)

    assert got == [body]
    assert sink.body == b'{"b": 1.50}\n'
    assert sink.head is not None
    assert sink.head.length == 12


async def test_every_header_value_comes_back():
    """Two cookies stay two, the coding and type are the worker's, its banner is not passed on."""

    async def answer(_: web.BaseRequest) -> web.Response:
        response = web.Response(body=b"\x1f\x8b", headers={"content-encoding": "gzip", "content-type": "x/y"})
        response.headers.add("set-cookie", "a=1")
        response.headers.add("set-cookie", "b=2")
        return response

    async with fleet_of(answer) as fleet:
        sink, request = CollectingSink(), inference()
        request.headers = (*request.headers, (b"Accept-Encoding", b"gzip, br"))
        await fleet.attempts.route(request, sink)

    assert sink.head is not None
    fields = [(name.lower(), value) for name, value in sink.head.headers]
    assert [value for name, value in fields if name == b"set-cookie"] == [b"a=1", b"b=2"]
    assert (b"content-encoding", b"gzip") in fields
    assert (b"content-type", b"x/y") in fields
    assert not {b"server", b"date", b"content-length"} & {name for name, _ in fields}


async def test_an_alias_is_spelt_as_the_engine_knows_it():
    """Only the model field changes when the caller uses an alias."""
    got: list[bytes] = []

    async def echo(request: web.BaseRequest) -> web.Response:
        got.append(await request.read())
        return web.Response(body=b"{}")

    async with fleet_of(echo) as fleet:
        worker = fleet.workers[0]
        worker.models = read_spec({"url": "http://x", "models": [{"id": "tiny", "aliases": ["small"]}]}).models
        await fleet.attempts.route(inference(b'{"a":1.0,"model":"small","b":2}', model="small"), CollectingSink())

    assert got == [b'{"a":1.0,"model":"tiny","b":2}']


async def test_a_slow_caller_slows_the_worker():
    """While the sink is paused no more is read; it goes on when the caller takes more."""

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"x" * 65536)
        await response.write_eof()
        return response

    async with fleet_of(flood) as fleet:
        sink = CollectingSink()
        sink.pause()
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(inference(), sink))
        await asyncio.wait_for(sink.until_drained_on(), 5)
        held = len(sink.body)
        sink.resume()
        await asyncio.wait_for(task, 10)

        assert held < 64 * 65536
        assert len(sink.body) == 64 * 65536


async def test_a_worker_of_another_model_is_no_candidate():
    """Only workers that serve the model are offered."""
    async with fleet_of(answering(), answering(body=SECOND)) as fleet:
        fleet.workers[0].models = read_spec({"url": "http://x", "models": [{"id": "big"}]}).models
        sink = CollectingSink()
        await fleet.attempts.route(inference(), sink)

        assert sink.body == SECOND


async def test_an_engine_without_the_path_is_not_asked():
    """``/generate`` goes to an engine that has it; where none has, the caller is told so."""
    async with fleet_of(answering(), answering(body=SECOND)) as fleet:
        lacking, having = fleet.workers
        lacking.detected, having.detected = Runtime.VLLM, Runtime.SGLANG
        request = inference()
        request.endpoint, request.path = Endpoint.GENERATE, "/generate"
        sink = CollectingSink()
        await fleet.attempts.route(request, sink)

        assert sink.body == SECOND

        having.detected = Runtime.VLLM
        with pytest.raises(UnsupportedEndpointError):
            await fleet.attempts.route(request, CollectingSink())


async def typed(content_type: str, body: bytes, *, stream: bool, coding: str | None = None) -> CollectingSink:
    """Route one request to a worker that answers with this type and coding."""

    async def answer(_: web.BaseRequest) -> web.Response:
        headers = {"content-type": content_type} | ({} if coding is None else {"content-encoding": coding})
        return web.Response(body=body, headers=headers)

    async with fleet_of(answer) as fleet:
        sink = CollectingSink()
        await fleet.attempts.route(inference(stream=stream), sink)
        return sink


async def test_a_stream_that_was_asked_for_may_come_whole():
    """A server that cannot stream answers in JSON, and the caller is told by its type."""
    sink = await typed("application/json; charset=utf-8", b'{"b":1}', stream=True)

    assert (sink.body, sink.finished) == (b'{"b":1}', True)


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", ""])
async def test_a_stream_that_was_asked_for_comes_as_nothing_else(content_type):
    """However large it is, nothing of it reaches the caller."""
    with pytest.raises(UpstreamError, match="did not answer with an event stream"):
        await typed(content_type, b"<html>" + b" " * 2_000_000, stream=True)


async def test_a_coding_nobody_asked_for_is_refused():
    """The caller could not read it."""
    with pytest.raises(UpstreamError, match="coding that was not asked for"):
        await typed("application/json", b"\x1f\x8b", stream=False, coding="gzip")


async def test_a_caller_who_leaves_while_drained_counts_against_nobody():
    """A reset of the caller's connection is not the worker's failure."""
    async with fleet_of(answering(body=b"x" * 3_000_000)) as fleet:
        sink = CollectingSink()
        sink.pause()
        sink.leave()
        sink.pause()
        task = asyncio.get_running_loop().create_task(fleet.attempts.route(inference(), sink))
        await asyncio.wait_for(sink.until_drained_on(), 5)
        sink.resume()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(task, 5)

        assert [event.outcome for event in fleet.observer.of(AttemptEnded)] == [Outcome.ABANDONED]
