from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smg.core.request import reply
from smg.server.http1.connection import Connection
from smg.server.http1.crowd import Crowd
from smg.server.http1.memory import BodyMemory
from smg.server.http1.service import Service
from tests.resilience.support import ManualClock
from tests.server.http1.front import LIMITS, Front

BUDGET = 40


def test_account_is_never_overdrawn() -> None:
    """What does not fit is refused whole, and nobody gives back what was not taken."""
    memory = BodyMemory(10)

    assert [memory.take(4), memory.take(7), memory.take(6), memory.take(1), memory.take(0)] == [
        *(True, False, True, False, True)
    ]
    assert (memory.held, memory.free) == (10, 0)
    memory.give_back(10)
    with pytest.raises(RuntimeError):
        memory.give_back(1)


class _Wire(asyncio.Transport):
    """A caller's end that takes everything, and is lost one turn of the loop after it was closed."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__()
        self._protocol = protocol
        self.closing = False

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def write(self, data: Any) -> None:
        pass


async def _handle(request: Any, sink: Any) -> None:
    """Do with the body what the path says."""
    if request.path != "/ignore":
        await request.receive()
    if request.path == "/keep":
        await asyncio.Event().wait()
    if request.path == "/break":
        raise ValueError
    reply(sink, 200, b"")


HEAD = b"POST /%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n"
paths = st.sampled_from([b"take", b"ignore", b"keep", b"break"])
bodies = st.integers(0, BUDGET + 5).map(lambda size: b"x" * size)
sized = st.builds(lambda path, body: HEAD % (path, b"Content-Length: %d" % len(body)) + body, paths, bodies)
chunked = st.builds(
    lambda path, body: HEAD % (path, b"Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    paths,
    bodies.filter(bool),
)
acts = st.sampled_from(["turn", "turn", "end", "late", "abort", "leave", "eof and data"])
plots = st.lists(st.tuples(st.integers(0, 2), st.tuples(sized | chunked, st.integers(1, 120)) | acts), max_size=25)


def _act(connection: Any, act: Any) -> None:
    match act:
        case (data, length):
            connection.data_received(data[:length])
        case "eof and data":
            connection.data_received(HEAD % (b"keep", b"Content-Length: 3") + b"abc")
            connection.eof_received()
        case "end":
            connection.eof_received()
        case "late":
            connection.expire(1e9)
        case "abort":
            connection.abort()
        case _:
            connection.leave()


async def _play(plot: Any) -> tuple[int, bool]:
    """Play a plot on three connections of one account; return what is held at its end, and whether it ever was over."""
    around = Front(_handle, LIMITS)
    memory, limits = BodyMemory(BUDGET), replace(LIMITS, body_bytes=BUDGET)
    crowd, clock = Crowd(8), ManualClock()
    service = Service(
        handler=around.around(_handle), fault=around.fault, limits=limits, clock=clock, crowd=crowd, memory=memory
    )
    connections = [Connection(service) for _ in range(3)]
    for connection in connections:
        connection.connection_made(_Wire(connection))
    over = False
    for number, act in plot:
        if act == "turn":
            await asyncio.sleep(0)
        elif not connections[number]._transport.is_closing():
            _act(connections[number], act)
        over |= not 0 <= memory.held <= BUDGET
    for connection in connections:
        connection._transport.abort()
    for _ in range(10):
        await asyncio.sleep(0)
    return memory.held, over


@settings(max_examples=300, deadline=None)
@given(plots)
def test_nothing_is_held_at_rest(plot: Any) -> None:
    """Whatever callers send, and however their connections end: within the budget always, and 0 in the end."""
    assert asyncio.run(_play(plot)) == (0, False)


def test_task_that_never_began_holds_nothing() -> None:
    """A caller whose request and end come in one piece leaves before its handler runs."""
    assert asyncio.run(_play([(0, "eof and data")])) == (0, False)
