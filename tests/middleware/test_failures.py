from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import InvalidRequestError, NoWorkerError, Retry, UpstreamError, UpstreamRejectedError
from smg.core.events import TaskFailed
from smg.core.request import ReplyHead, Request, Sink
from smg.core.words import WorkerId
from smg.middleware.failures import failures
from tests.middleware.recording import RecordingObserver, RecordingSink, request

WORKER = WorkerId("w1")
BROKEN = UpstreamError(WORKER, "the worker broke off", retry=Retry.NEVER)


async def _run(handler: Any, observer: Any = None) -> Any:
    asked, sink = request(), RecordingSink()
    await failures(handler, observer=observer or RecordingObserver())(asked, sink)
    return asked, sink


def _raising(error: Exception, *, content_type: bytes | None = None) -> Any:
    async def handler(_request: Request, sink: Sink) -> None:
        if content_type is not None:
            sink.start(ReplyHead(200, ((b"Content-Type", content_type),)))
            sink.write(b"data: 1\n\n")
        raise error

    return handler


async def test_error_before_the_head_is_the_answer() -> None:
    """An error of the tree answers with its status, its code in body and field, and the field at fault."""
    asked, sink = await _run(_raising(InvalidRequestError("n must be positive", param="n")))

    error = json.loads(sink.body)["error"]
    assert (sink.status, error["param"], error["code"]) == (400, "n", "invalid_request")
    assert sink.header(b"x-smg-error-code") == [b"invalid_request"]
    assert asked.trail.error_code == "invalid_request"
    assert sink.finished


async def test_retry_after_travels_as_whole_seconds() -> None:
    """A refusal that passes says when to come back."""
    _, sink = await _run(_raising(NoWorkerError("nobody", retry_after_secs=0.2)))

    assert (sink.status, sink.header(b"retry-after")) == (503, [b"1"])


async def test_rejection_of_a_worker_passes_through() -> None:
    """The engine's own error keeps its status, its fields and its bytes."""
    rejected = UpstreamRejectedError(
        WORKER,
        upstream_status=422,
        headers=((b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
        body=b"no such thing",
        retry=Retry.NEVER,
    )

    _, sink = await _run(_raising(rejected))

    assert (sink.status, sink.body) == (422, b"no such thing")
    assert sink.header(b"set-cookie") == [b"a=1", b"b=2"]
    assert sink.header(b"content-type") == [b"text/plain"]
    assert sink.header(b"x-smg-error-code") == [b"upstream_rejected"]


async def test_error_in_an_event_stream_is_one_last_event() -> None:
    """A stream that breaks after its head gets one error event and a proper end, and no second head."""
    asked, sink = await _run(_raising(BROKEN, content_type=b"text/event-stream; charset=utf-8"))

    events = sink.body.decode().strip().split("\n\n")
    assert (sink.status, len(events), sink.finished) == (200, 2, True)
    assert json.loads(events[1].removeprefix("data: "))["error"]["code"] == "upstream_failed"
    assert asked.trail.error_code == "upstream_failed"


async def test_error_in_any_other_body_cuts_it() -> None:
    """A part of a plain answer must not pass for the whole: the error goes on to the front."""
    with pytest.raises(UpstreamError):
        await _run(_raising(BROKEN, content_type=b"application/json"))


async def test_bug_shows_the_request_id_only() -> None:
    """An exception of no family is told once, with itself, and the caller learns nothing of it."""
    observer = RecordingObserver()

    _, sink = await _run(_raising(ValueError("secret key sk-1")), observer)

    [told] = observer.events
    assert isinstance(told, TaskFailed)
    assert (sink.status, b"sk-1" in sink.body, b"r1" in sink.body) == (500, False, True)


async def test_caller_who_left_is_no_failure() -> None:
    """A broken connection to the caller is neither answered nor told as a bug."""
    observer = RecordingObserver()

    with pytest.raises(ConnectionResetError):
        await _run(_raising(ConnectionResetError()), observer)

    assert observer.events == []
