"""Calls from web pages: closed unless origins are named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.request import reply
from smg.middleware.relay import RelaySink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.request import Handler, RawHeaders, ReplyHead, Request, Sink

METHODS = b"GET, POST, PUT, PATCH, DELETE"
EXPOSED = b"x-request-id, x-smg-routed-worker-id, x-smg-error-code, retry-after"
MAX_AGE_SECS = b"600"
PREFIX = b"access-control-"


def cors(handler: Handler, *, origins: Sequence[str]) -> Handler:
    """Let pages of ``origins`` read the answers of ``handler``; ``*`` allows every origin, empty none."""
    if not origins:
        return handler
    allowed = frozenset(origin.encode() for origin in origins)

    async def handle(request: Request, sink: Sink) -> None:
        origin = request.header(b"origin")
        if origin is None or not ({origin, b"*"} & allowed):
            await handler(request, sink)
        elif request.method == "OPTIONS" and request.header(b"access-control-request-method"):
            _allow(request, sink, origin)
        else:
            await handler(request, OpenedSink(sink, origin))

    return handle


class OpenedSink(RelaySink):
    """Tells the browser that its page may read the answer."""

    __slots__ = ("_origin",)

    def __init__(self, sink: Sink, origin: bytes) -> None:
        super().__init__(sink)
        self._origin = origin

    @override
    def start(self, head: ReplyHead) -> None:
        kept = tuple(field for field in head.headers if not field[0].lower().startswith(PREFIX))
        opened = (*_open_to(self._origin), (b"access-control-expose-headers", EXPOSED))
        self.sink.start(replace(head, headers=(*kept, *opened)))


def _allow(request: Request, sink: Sink, origin: bytes) -> None:
    request.trail.route = "preflight"
    asked = request.header(b"access-control-request-headers")
    fields = (
        *_open_to(origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", MAX_AGE_SECS),
        *(((b"access-control-allow-headers", asked),) if asked else ()),
    )
    reply(sink, 204, b"", fields)


def _open_to(origin: bytes) -> RawHeaders:
    return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))
