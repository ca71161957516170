"""Every request has an id and every answer says which, and which worker it came from."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.middleware.relay import RelaySink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.clock import Clock
    from smg.core.request import Handler, RawHeaders, ReplyHead, Request, Sink

USABLE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

REQUEST_ID = b"x-request-id"
ROUTED_WORKER_ID = b"x-smg-routed-worker-id"
STAMPS = frozenset({REQUEST_ID, ROUTED_WORKER_ID})


def stamp(handler: Handler, *, id_headers: Sequence[str], clock: Clock) -> Handler:
    """Name each request before ``handler`` sees it.

    The first usable value of the fields ``id_headers`` is adopted, else a fresh id is made. Usable are 1 to
    128 letters, digits and ``. _ : -``.
    """
    names = tuple(name.lower().encode() for name in id_headers)

    async def handle(request: Request, sink: Sink) -> None:
        request.id = _adopted(request, names) or secrets.token_hex(16)
        await handler(request, StampedSink(sink, request, clock))

    return handle


class StampedSink(RelaySink):
    """Puts the request's and the worker's ids on the head, and notes when the head was given."""

    __slots__ = ("_clock", "_request")

    def __init__(self, sink: Sink, request: Request, clock: Clock) -> None:
        super().__init__(sink)
        self._request = request
        self._clock = clock

    @override
    def start(self, head: ReplyHead) -> None:
        trail = self._request.trail
        trail.status = head.status
        trail.first_byte_at = self._clock.now()
        self.sink.start(replace(head, headers=_stamped(head.headers, self._request)))


def _adopted(request: Request, names: tuple[bytes, ...]) -> str | None:
    for name in names:
        value = request.header(name)
        if value is not None and USABLE_ID.fullmatch(value):
            return value.decode()
    return None


def _stamped(headers: RawHeaders, request: Request) -> RawHeaders:
    kept = tuple(field for field in headers if field[0].lower() not in STAMPS)
    worker_id = request.trail.worker_id
    routed = ((ROUTED_WORKER_ID, worker_id.encode()),) if worker_id else ()
    return (*kept, (REQUEST_ID, request.id.encode()), *routed)
