"""Where every failure becomes an answer: the one place that knows how errors look to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.core.errors import GatewayError, UpstreamRejectedError
from smg.core.events import TaskFailed
from smg.core.request import reply
from smg.wire.errors import error_body, error_event, error_headers

if TYPE_CHECKING:
    from smg.core.observers import Observer
    from smg.core.request import Handler, RawHeaders, ReplyHead, Request, Sink

EVENT_STREAM: Final = b"text/event-stream"


def failures(handler: Handler, *, observer: Observer) -> Handler:
    """Answer for ``handler`` when it fails.

    Before the head is out the error is the answer. After it, an event stream gets one error event and a
    proper end; in any other body the error is raised on, so that the front cuts the connection and nobody
    takes the part for the whole. A caller who left (ConnectionResetError) is nobody's failure.
    """

    async def handle(request: Request, sink: Sink) -> None:
        try:
            await handler(request, sink)
        except GatewayError as error:
            _answer(request, sink, error)
        except ConnectionResetError:
            raise
        except Exception as bug:  # noqa: BLE001  (nobody further out could answer)
            observer.notify(TaskFailed(f"request {request.id}", bug))
            _answer(request, sink, GatewayError("internal error"))

    return handle


def refusing(error: GatewayError) -> Handler:
    """Return a handler that fails with ``error``."""

    async def handle(_request: Request, _sink: Sink) -> None:
        raise error

    return handle


def answer_error(request: Request, sink: Sink, error: GatewayError, extra: RawHeaders = ()) -> None:
    """Make ``error`` the whole answer, with ``extra`` fields on its head."""
    request.trail.error_code = error.code
    reply(sink, error.status, error_body(error, request.id), (*error_headers(error), *extra))


def _answer(request: Request, sink: Sink, error: GatewayError) -> None:
    if sink.head is not None:
        _break_off(request, sink, sink.head, error)
    elif isinstance(error, UpstreamRejectedError):
        request.trail.error_code = error.code
        code = (b"x-smg-error-code", error.code.encode())
        reply(sink, error.upstream_status, error.body, (*error.headers, code))
    else:
        answer_error(request, sink, error)


def _break_off(request: Request, sink: Sink, head: ReplyHead, error: GatewayError) -> None:
    request.trail.error_code = error.code
    if not _is_event_stream(head):
        raise error
    sink.write(error_event(error, request.id))
    sink.finish()


def _is_event_stream(head: ReplyHead) -> bool:
    return any(
        name.lower() == b"content-type" and value.lower().startswith(EVENT_STREAM) for name, value in head.headers
    )
