"""Plain answers, and plain bodies, in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from smg.core.errors import InvalidJsonError
from smg.core.request import reply
from smg.wire.guard import check_json

if TYPE_CHECKING:
    from smg.core.request import RawHeaders, Request, Sink
    from smg.wire.shapes import JsonLimits

JSON = ((b"content-type", b"application/json"),)


def send_json(sink: Sink, value: object, *, status: int = 200, extra: RawHeaders = ()) -> None:
    """Answer with ``value`` as JSON."""
    reply(sink, status, msgspec.json.encode(value), (*JSON, *extra))


async def read_object(request: Request, limits: JsonLimits) -> dict[str, Any]:
    """Return the request's body, which must be one JSON object within ``limits``.

    Raises:
        InvalidJsonError: It is not.
    """
    body = await request.receive()
    check_json(body, limits)
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InvalidJsonError("the body is not one JSON object") from error
