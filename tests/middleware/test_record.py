from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smg.core.events import RequestFinished
from smg.core.request import Request, Sink, reply
from smg.middleware.record import record
from smg.middleware.stamp import stamp
from tests.middleware.recording import RecordingObserver, RecordingSink, StepClock, request


async def test_request_is_told_of_once_with_its_times() -> None:
    """A whole answer gives one record: status, time to the first byte, time to the last."""
    clock, observer, sink = StepClock(), RecordingObserver(), RecordingSink()

    async def handler(asked: Request, sink: Sink) -> None:
        clock.time += 1
        asked.trail.caller = "c1"
        reply(sink, 200, b"x")
        clock.time += 2

    await stamp(record(handler, clock=clock, observer=observer), id_headers=(), clock=clock)(request(), sink)

    [told] = observer.events
    assert isinstance(told, RequestFinished)
    assert (told.trail.status, told.first_byte_secs, told.duration_secs, told.trail.error_code) == (200, 1.0, 3.0, None)
    assert told.trail.caller == "c1"
    assert sink.drains == 1


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ConnectionResetError()])
async def test_caller_who_left_is_recorded_as_499(error: Any) -> None:
    """A caller's hang-up is told as 499, once, and goes on outwards."""
    observer = RecordingObserver()

    async def handler(_request: Request, _sink: Sink) -> None:
        raise error

    with pytest.raises(type(error)):
        await record(handler, clock=StepClock(), observer=observer)(request(), RecordingSink())

    [told] = observer.events
    assert isinstance(told, RequestFinished)
    assert (told.trail.status, told.trail.error_code) == (499, "client_closed_request")
