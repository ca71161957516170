"""The collecting sink keeps the rules of a real one."""

from __future__ import annotations

import asyncio

import pytest

from smg.core.request import ReplyHead, reply
from smg.testing.sink import CollectingSink

HEAD = ReplyHead(200, ())


def test_an_answer_is_kept_as_it_came() -> None:
    """Head, writes and end can be read back."""
    sink = CollectingSink()

    reply(sink, 201, b"{}")

    assert sink.head is not None
    assert (sink.head.status, sink.head.length) == (201, 2)
    assert (sink.body, sink.finished) == (b"{}", True)


def test_calls_out_of_order_are_refused() -> None:
    """A writer that breaks the sink's order is told so."""
    sink = CollectingSink()
    with pytest.raises(RuntimeError):
        sink.write(b"early")
    with pytest.raises(RuntimeError):
        sink.finish()
    sink.start(HEAD)
    with pytest.raises(RuntimeError):
        sink.start(HEAD)
    sink.finish()

    with pytest.raises(RuntimeError):
        sink.write(b"late")


async def test_a_writer_waits_until_the_caller_reads_again() -> None:
    """Drain returns after resume."""
    sink = CollectingSink()
    sink.pause()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        writer = group.create_task(sink.drain())
        await sink.until_drained_on()

        assert sink.paused
        assert not writer.done()
        sink.resume()
    assert not sink.paused


async def test_a_gone_caller_shows_in_drain() -> None:
    """Drain raises ConnectionResetError once the caller has left."""
    sink = CollectingSink()
    sink.pause()
    sink.leave()

    with pytest.raises(ConnectionResetError):
        await sink.drain()
