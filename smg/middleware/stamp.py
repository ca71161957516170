"""Every request has an id and every answer says which, and which worker it came from."""

from __future__ import annotations

import re
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from smg.core.request import ReplyHead
from smg.wire.headers import REQUEST_ID, ROUTED_WORKER_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from smg.core.clock import Clock
    from smg.core.request import Handler, Request, Sink

USABLE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
ID_BYTES: Final = 16
ID_CHARS: Final = 2 * ID_BYTES
DRAWN_IDS: Final = 64


class FreshIds:
    """Ids of 128 random bits, drawn from the system many at a time: one by one, that costs three times as much."""

    def __init__(self) -> None:
        self._drawn = ""
        self._at = 0

    def next(self) -> str:
        """Return one that nobody had before, in hexadecimal digits."""
        if self._at == len(self._drawn):
            self._drawn, self._at = token_hex(DRAWN_IDS * ID_BYTES), 0
        begin, self._at = self._at, self._at + ID_CHARS
        return self._drawn[begin : self._at]


def stamp(handler: Handler, *, id_headers: Sequence[str], clock: Clock) -> Handler:
    """Name each request before ``handler`` sees it.

    The first usable value of the fields ``id_headers`` is adopted, else a fresh id is made. Usable are 1 to
    128 letters, digits and ``. _ : -``.
    """
    names = tuple(name.lower().encode() for name in id_headers)

    now, fresh = clock.now, FreshIds()

    def handle(request: Request, sink: Sink) -> Awaitable[None]:
        request.id = _adopted(request, names) or fresh.next()
        sink.amend(partial(_stamped, request, now))
        return handler(request, sink)

    return handle


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
