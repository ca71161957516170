"""Errors as callers see them: OpenAI's shape, whole or as one event of a stream."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from smg.core.errors import GatewayError
from smg.wire.sse import data_event

if TYPE_CHECKING:
    from smg.core.request import RawHeaders


def error_body(error: GatewayError, request_id: str) -> bytes:
    """Return the JSON body; ``message``, ``type``, ``param`` and ``code`` are always present.

    A bare ``GatewayError`` is a fault of ours and tells nothing but where to look.
    """
    message = error.message
    if type(error) is GatewayError:
        message = f"internal error, request id {request_id}"
    fields = {"message": message, "type": error.type, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": fields})


def error_headers(error: GatewayError) -> RawHeaders:
    """Return the fields that go with ``error_body``, those of the connection aside."""
    headers = [(b"content-type", b"application/json"), (b"x-smg-error-code", error.code.encode())]
    if error.retry_after_secs is not None:
        headers.append((b"retry-after", b"%d" % max(0, math.ceil(error.retry_after_secs))))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    return tuple(headers)


def error_event(error: GatewayError, request_id: str) -> bytes:
    """Return the event that ends a stream which can no longer end well; no ``[DONE]`` follows it."""
    return data_event(error_body(error, request_id))
