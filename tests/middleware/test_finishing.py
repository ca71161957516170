from __future__ import annotations

import asyncio

import pytest

from smg.core.errors import DrainingError
from smg.core.request import Handler, Request, Sink, reply
from smg.middleware.finishing import Running, finishing
from tests.middleware.recording import RecordingSink, request


async def _run(handler: Handler) -> None:
    await handler(request(), RecordingSink())


async def test_requests_are_counted_in_and_out() -> None:
    """Idle means that nothing runs; a request under way is waited for."""
    running, inside, release = Running(), asyncio.Event(), asyncio.Event()

    async def handler(_request: Request, _sink: Sink) -> None:
        inside.set()
        await release.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(_run(finishing(handler, running=running)))
        await inside.wait()
        assert len(running) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.wait_idle(), 0.01)
        release.set()

    await asyncio.wait_for(running.wait_idle(), 1)
    assert len(running) == 0


async def test_expiry_ends_what_runs_and_what_comes() -> None:
    """At the end of the grace every request under way, and each later one, fails as shutting down."""
    running, inside = Running(), asyncio.Event()

    async def handler(_request: Request, _sink: Sink) -> None:
        inside.set()
        await asyncio.Event().wait()

    wrapped = finishing(handler, running=running)

    async def expect_draining() -> None:
        with pytest.raises(DrainingError):
            await wrapped(request(), RecordingSink())

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(expect_draining())
        await inside.wait()
        running.expire()
    await expect_draining()

    assert len(running) == 0


async def test_timeout_of_the_handlers_own_is_not_taken_for_expiry() -> None:
    """A TimeoutError that rises from inside keeps its name."""

    async def handler(_request: Request, _sink: Sink) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await finishing(handler, running=Running())(request(), RecordingSink())


async def test_answer_passes_through() -> None:
    """Counting changes nothing about the answer."""
    sink = RecordingSink()

    async def handler(_request: Request, sink: Sink) -> None:
        reply(sink, 200, b"ok")

    await finishing(handler, running=Running())(request(), sink)

    assert sink.body == b"ok"
