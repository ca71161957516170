"""An ASGI application that answers each request with its own reading of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Event = MutableMapping[str, Any]


async def app(scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]) -> None:
    """Read the whole request, then tell of it as ``Reading`` has it."""
    query = scope["query_string"]
    read = {
        "method": scope["method"],
        "target": (scope["raw_path"] + b"?" * bool(query) + query).decode("latin-1"),
        "hosts": [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"],
        "length": await body_bytes(receive),
    }
    body = json.dumps(read).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def body_bytes(receive: Callable[[], Awaitable[Event]]) -> int:
    """Return how many bytes the body has."""
    length, more = 0, True
    while more:
        event = await receive()
        length += len(event.get("body", b""))
        more = event.get("more_body", False)
    return length
