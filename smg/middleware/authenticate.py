"""Who may call: the gateway's own key, checked before a byte of the body is read."""

from __future__ import annotations

import hmac
from enum import Enum
from typing import TYPE_CHECKING

from smg.core.errors import UnauthenticatedError

if TYPE_CHECKING:
    from smg.core.request import Handler, Request, Sink

BEARER = b"bearer "


class Access(Enum):
    """Who may call a route; every route names its rule."""

    PUBLIC = "public"  # probes and facts that anyone may ask
    SERVING = "serving"  # inference
    ADMIN = "admin"  # changes the gateway or its workers


def authenticate(handler: Handler, *, access: Access, api_key: str | None) -> Handler:
    """Let only callers with ``api_key`` through to ``handler``, unless the route is public or there is no key.

    The key comes as ``Authorization: Bearer`` (in any case) or ``x-api-key``. Wrong and missing keys are
    told apart neither by the answer nor by the time it takes.
    """
    if access is Access.PUBLIC or api_key is None:
        return handler
    wanted = api_key.encode()

    async def handle(request: Request, sink: Sink) -> None:
        shown = _shown(request)
        if len(shown) != 1 or not hmac.compare_digest(shown[0], wanted):
            raise UnauthenticatedError("the api key is missing or wrong")
        await handler(request, sink)

    return handle


def _shown(request: Request) -> list[bytes]:
    """Return every key the caller shows; two make a request ambiguous, unless they are the same."""
    keys = set()
    for name, value in request.headers:
        if (field := name.lower()) == b"x-api-key":
            keys.add(value)
        elif field == b"authorization":
            keys.add(value[len(BEARER) :].strip() if value[: len(BEARER)].lower() == BEARER else b"")
    return list(keys)
