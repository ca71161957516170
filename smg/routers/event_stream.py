"""A worker's event stream relayed to a caller: committed at its first data, judged by how it ends."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from smg.core.errors import UpstreamError
from smg.core.words import Outcome
from smg.wire.choices import choices_asked
from smg.wire.event_relay import EventRelay
from smg.wire.sse import EventTooLargeError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from smg.core.request import InferenceRequest, ReplyHead, Sink
    from smg.routers.judge import Judge
    from smg.workers.http_exchange import HttpAnswer
    from smg.workers.lease import Lease

LAST_BYTES_SECS = 1.0
"""How long anything may take to come after the end of the answer itself, before the connection is given up: usage and
``[DONE]`` after the last reason to finish, the end of the body after ``[DONE]``."""


class EventStream:
    """One stream under way from a worker to a sink.

    It is complete with ``[DONE]``, or once every choice that was asked for has shown a reason to finish; from there on
    nothing that the worker does, or fails to do, spoils it.
    """

    def __init__(self, request: InferenceRequest, answer: HttpAnswer, judge: Judge, max_event_bytes: int) -> None:
        self._request = request
        self._chunks = answer.chunks()
        self._watch = answer.watch
        self._judge = judge
        self._relay = EventRelay(max_event_bytes)
        self._left_secs = LAST_BYTES_SECS

    async def pass_on(self, head: ReplyHead, sink: Sink, lease: Lease) -> None:
        """Relay to the last event; the caller's answer is finished before the worker's connection is.

        Raises:
            UpstreamError: The stream broke off, began with an error, or ended without saying that it is whole.
        """
        await self._begin(head, sink)
        while not self._relay.ended:
            await self._watch.drained(sink)
            if not (events := await (self._in_time(self._next()) if self._finished() else self._next())):
                break
            sink.write(events)
        self._end(sink, lease)
        sink.finish()
        await self._in_time(self._to_the_end())

    async def _begin(self, head: ReplyHead, sink: Sink) -> None:
        """Hand over the head with the first data; comments before it wait, so that another worker may be tried."""
        waiting = b""
        while not self._relay.begun:
            events = await self._next()
            waiting += events
            if not self._relay.begun and (not events or len(waiting) > self._relay.max_event_bytes):
                raise self._judge.broken("the worker's stream ended before it began")
        if self._relay.failure is not None:
            raise self._judge.told(self._relay.failure)
        sink.start(head)
        sink.write(waiting)

    def _finished(self) -> bool:
        finished = self._relay.finished
        return bool(finished) and len(finished) >= self._asked

    @cached_property
    def _asked(self) -> int:
        return choices_asked(self._request.endpoint, self._request.body)

    async def _next(self) -> bytes:
        """Return the next whole events; nothing at the end of the body, or of what may be passed on."""
        async for chunk in self._chunks:
            try:
                events = self._relay.feed(chunk)
            except EventTooLargeError as error:
                raise self._judge.broken("the worker sent too large an event") from error
            if self._relay.begun:
                self._watch.output()
            if events or self._relay.ended:
                return events
        return b""

    async def _to_the_end(self) -> bytes:
        """Read what nobody is to see, so that the connection can be used again; return nothing."""
        async for _ in self._chunks:
            pass
        return b""

    async def _in_time(self, reading: Coroutine[None, None, bytes]) -> bytes:
        """Return what is read after the answer itself; nothing if that is a failure or silence, which is none any more.

        Only reading takes of the time, not a wait for the caller.
        """
        self._watch.stop()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._left_secs):
                return await reading
        except (TimeoutError, UpstreamError):
            return b""
        finally:
            self._left_secs -= asyncio.get_running_loop().time() - began

    def _end(self, sink: Sink, lease: Lease) -> None:
        """Judge how the stream ended, and tell the caller where the engine told an error in its own words."""
        if self._relay.failure is not None:
            lease.settle(Outcome.FAILED)
            if self._judge.withholds(self._relay.failure_event):
                raise self._judge.broken("the worker's error is withheld")
            sink.write(self._relay.failure_event)
        elif not (self._relay.done or self._finished()):
            raise self._judge.broken("the worker ended the stream without completing it")
        lease.settle(Outcome.SUCCEEDED)
