"""Calls from web pages: closed unless origins are named."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from smg.core.request import ReplyHead, reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.request import Handler, RawHeaders, Request, Sink

METHODS: Final = b"GET, POST, PUT, PATCH, DELETE"
EXPOSED: Final = b"x-request-id, x-smg-routed-worker-id, x-smg-error-code, retry-after"
MAX_AGE_SECS: Final = b"600"
PREFIX: Final = b"access-control-"


def cors(handler: Handler, *, origins: Sequence[str]) -> Handler:
    """Let pages of ``origins`` read the answers of ``handler``; ``*`` allows every origin, empty none."""
    if not origins:
        return handler
    allowed = frozenset(origin.encode() for origin in origins)

    async def handle(request: Request, sink: Sink) -> None:
        origin = request.fields.get(b"origin")
        if origin is None or not ({origin, b"*"} & allowed):
            await handler(request, sink)
        elif request.method == "OPTIONS" and request.fields.get(b"access-control-request-method"):
            _allow(request, sink, origin)
        else:
            sink.amend(partial(_opened, origin))
            await handler(request, sink)

    return handle


def _opened(origin: bytes, head: ReplyHead) -> ReplyHead:
    """Tell the browser that its page may read the answer."""
    kept = tuple(field for field in head.headers if not field[0].lower().startswith(PREFIX))
    opened = (*_open_to(origin), (b"access-control-expose-headers", EXPOSED))
    return ReplyHead(head.status, (*kept, *opened), head.length, head.own)


def _allow(request: Request, sink: Sink, origin: bytes) -> None:
    request.trail.route = "preflight"
    asked = request.fields.get(b"access-control-request-headers")
    fields = (
        *_open_to(origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", MAX_AGE_SECS),
        *(((b"access-control-allow-headers", asked),) if asked else ()),
    )
    reply(sink, 204, b"", fields)


def _open_to(origin: bytes) -> RawHeaders:
    return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))
