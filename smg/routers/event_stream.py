"""A worker's event stream relayed to a caller: committed at its first data, judged by how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from smg.core.errors import Retry, UpstreamError, UpstreamRejectedError
from smg.core.words import Outcome
from smg.wire.event_relay import EventRelay
from smg.wire.sse import EventTooLargeError

if TYPE_CHECKING:
    from typing import Any

    from smg.core.request import ReplyHead, Sink
    from smg.workers.http_exchange import HttpAnswer
    from smg.workers.http_worker import HttpWorker
    from smg.workers.lease import Lease

LAST_BYTES_SECS = 1.0
"""How long the end of a body may take after the end of its stream, before the connection is given up."""


class EventStream:
    """One stream under way from a worker to a sink."""

    def __init__(self, worker: HttpWorker, answer: HttpAnswer, max_event_bytes: int) -> None:
        self._worker = worker
        self._chunks = answer.chunks()
        self._watch = answer.watch
        self._relay = EventRelay(max_event_bytes)

    async def pass_on(self, head: ReplyHead, sink: Sink, lease: Lease) -> None:
        """Relay to the last event; the caller's answer is finished before the worker's connection is.

        Raises:
            UpstreamError: The stream broke off, began with an error, or ended without saying that it is whole.
        """
        await self._begin(head, sink)
        while not self._relay.ended:
            await self._watch.drained(sink)
            if not (events := await self._next()):
                break
            sink.write(events)
        self._judge(lease)
        sink.finish()
        await self._last_bytes()

    async def _begin(self, head: ReplyHead, sink: Sink) -> None:
        """Hand over the head with the first data; comments before it wait, so that another worker may be tried."""
        waiting = b""
        while not self._relay.begun:
            events = await self._next()
            waiting += events
            if not events or len(waiting) > self._relay.max_event_bytes:
                raise self._error("the worker's stream ended before it began")
        if self._relay.failure is not None:
            raise _told(self._worker, self._relay.failure)
        sink.start(head)
        sink.write(waiting)

    async def _next(self) -> bytes:
        """Return the next whole events; nothing at the end of the body."""
        async for chunk in self._chunks:
            try:
                events = self._relay.feed(chunk)
            except EventTooLargeError as error:
                raise self._error("the worker sent too large an event") from error
            if self._relay.begun:
                self._watch.output()
            if events:
                return events
        return b""

    def _judge(self, lease: Lease) -> None:
        if self._relay.failure is not None:
            lease.settle(Outcome.FAILED)  # told to the caller in the engine's own words
        elif not self._relay.whole:
            raise self._error("the worker ended the stream without completing it")
        lease.settle(Outcome.SUCCEEDED)

    async def _last_bytes(self) -> None:
        """Read to the body's end, so that the connection can be used again."""
        with suppress(TimeoutError, UpstreamError):
            async with asyncio.timeout(LAST_BYTES_SECS):
                async for _ in self._chunks:
                    pass

    def _error(self, message: str) -> UpstreamError:
        return UpstreamError(self._worker.id, message, retry=Retry.IF_IDEMPOTENT)


def _told(worker: HttpWorker, failure: dict[str, Any]) -> UpstreamError:
    """Return the error that a stream began with; a status in it is the engine's verdict on the request."""
    told = failure["error"]
    status = told.get("code") if isinstance(told, dict) else None
    if not isinstance(status, int) or not 400 <= status <= 599:  # noqa: PLR2004
        return UpstreamError(worker.id, "the worker's stream began with an error", retry=Retry.IF_IDEMPOTENT)
    retryable = status in worker.settings.retry.retryable_status_codes
    return UpstreamRejectedError(
        worker.id,
        upstream_status=status,
        headers=((b"content-type", b"application/json"),),
        body=msgspec.json.encode(failure),
        retry=Retry.IF_IDEMPOTENT if retryable else Retry.NEVER,
    )
