"""Who may call: the gateway's own key and those of its callers, checked before a byte of the body is read."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from smg.core.errors import ForbiddenError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smg.core.request import Handler, Request, Sink
    from smg.middleware.settings import CallerSettings

BEARER: Final = b"bearer "


class Access(Enum):
    """Who may call a route; every route names its rule."""

    PUBLIC = "public"  # probes and facts that anyone may ask
    SERVING = "serving"  # inference
    ADMIN = "admin"  # changes the gateway or its workers


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is.

    Attributes:
        name: The caller's; None is whoever runs the gateway, and may do everything.
    """

    name: str | None = None


class Keys:
    """Who holds which key.

    Keys are kept and looked up as digests that nobody outside can predict: how long a look-up takes says nothing about
    how near a wrong key came, and is the same for one key and for thousands.
    """

    def __init__(self, own: str | None = None, callers: Iterable[CallerSettings] = ()) -> None:
        self._secret = secrets.token_bytes()
        holders = {caller.api_key: Holder(caller.name) for caller in callers}
        if own is not None:
            holders[own] = Holder()
        self._holders = {self._digest(key.encode()): holder for key, holder in holders.items()}

    def __bool__(self) -> bool:
        """Whether any key is needed."""
        return bool(self._holders)

    def holder(self, key: bytes) -> Holder | None:
        """Return whose key this is; None for nobody's."""
        return self._holders.get(self._digest(key))

    def _digest(self, key: bytes) -> bytes:
        return blake2b(key, key=self._secret, digest_size=32).digest()


def authenticate(handler: Handler, *, access: Access, keys: Keys) -> Handler:
    """Let only holders of a key through to ``handler``, unless the route is public or there are no keys.

    The key comes as ``Authorization: Bearer`` (in any case) or ``x-api-key``. Wrong and missing keys are
    told apart neither by the answer nor by the time it takes. Administration is for the gateway's own key alone.
    """
    if access is Access.PUBLIC or not keys:
        return handler

    async def handle(request: Request, sink: Sink) -> None:
        holder = keys.holder(_shown(request))
        if holder is None:
            raise UnauthenticatedError("the api key is missing or wrong")
        request.trail.caller = holder.name
        if access is Access.ADMIN and holder.name is not None:
            raise ForbiddenError("this api key is not for the gateway's administration")
        await handler(request, sink)

    return handle


def _shown(request: Request) -> bytes:
    """Return the key the caller shows; nothing where there are two, unless they are the same: which would count?"""
    keys = set()
    for name, value in request.headers:
        if (field := name.lower()) == b"x-api-key":
            keys.add(value)
        elif field == b"authorization":
            keys.add(value[len(BEARER) :].strip() if value[: len(BEARER)].lower() == BEARER else b"")
    return keys.pop() if len(keys) == 1 else b""
