"""Every request has an id and every answer says which, and which worker it came from."""

from __future__ import annotations

import re
from functools import partial
from random import getrandbits
from typing import TYPE_CHECKING, Final

from smg.core.request import ReplyHead
from smg.wire.headers import REQUEST_ID, ROUTED_WORKER_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from smg.core.clock import Clock
    from smg.core.request import Handler, Request, Sink

USABLE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def stamp(handler: Handler, *, id_headers: Sequence[str], clock: Clock) -> Handler:
    """Name each request before ``handler`` sees it.

    The first usable value of the fields ``id_headers`` is adopted, else a fresh id is made. Usable are 1 to
    128 letters, digits and ``. _ : -``.
    """
    names = tuple(name.lower().encode() for name in id_headers)

    now = clock.now

    def handle(request: Request, sink: Sink) -> Awaitable[None]:
        request.id = _adopted(request, names) or _fresh_id()
        sink.amend(partial(_stamped, request, now))
        return handler(request, sink)

    return handle


def _fresh_id() -> str:
    """Return 128 random bits: from the generator that is seeded by the system, since nothing is guarded by them."""
    return getrandbits(128).to_bytes(16).hex()


def _adopted(request: Request, names: tuple[bytes, ...]) -> str | None:
    for name in names:
        value = request.fields.get(name)
        if value is not None and USABLE_ID.fullmatch(value):
            return value.decode()
    return None


def _stamped(request: Request, now: Callable[[], float], head: ReplyHead) -> ReplyHead:
    """Put the request's and the worker's ids on the head, and note that it was given."""
    trail = request.trail
    trail.status, trail.first_byte_at = head.status, now()
    own = (*head.own, (REQUEST_ID, request.id.encode()))
    if trail.worker_id:
        own += ((ROUTED_WORKER_ID, trail.worker_id.encode()),)
    return ReplyHead(head.status, head.headers, head.length, own)
