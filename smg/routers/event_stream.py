"""A worker's event stream relayed to a caller: committed at its first data, judged by how it ends."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from smg.core.errors import UpstreamError
from smg.core.request import ReplyHead
from smg.core.words import Outcome
from smg.wire.choices import choices_asked
from smg.wire.event_relay import EventRelay
from smg.wire.sse import EventTooLargeError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from smg.core.request import InferenceRequest, Sink
    from smg.routers.judge import Judge
    from smg.workers.http_answer import HttpAnswer
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
        self._answer = answer
        self._watch = answer.watch
        self._judge = judge
        self._relay = EventRelay(max_event_bytes)
        self._left_secs = LAST_BYTES_SECS
        self._ending = False

    async def pass_on(self, head: ReplyHead, sink: Sink, lease: Lease) -> None:
        """Relay to the last event; the caller's answer is finished before the worker's connection is.

        Raises:
            UpstreamError: The stream broke off, began with an error, or ended without saying that it is whole.
        """
        more = await self._begin(head, sink)
        while more and not self._relay.ended:
            await self._watch.drained(sink)
            self._ending = self._finished()
            more = await (self._in_time(self._go_on(sink)) if self._ending else self._go_on(sink))
        self._end(sink, lease)
        sink.finish()
        if more:
            await self._in_time(self._answer.pour(_drop))

    async def _begin(self, head: ReplyHead, sink: Sink) -> bool:
        """Hand over the head with the first data; comments before it wait, so that another worker may be tried."""
        waiting = bytearray()

        def take(data: bytes) -> bool:
            waiting.extend(self._read(data))
            return not self._relay.begun and len(waiting) <= self._relay.max_event_bytes

        more = await self._answer.pour(take)
        if not self._relay.begun:
            raise self._judge.broken("the worker's stream ended before it began")
        if self._relay.failure is not None:
            raise self._judge.told(self._relay.failure)
        self._watch.output()
        sink.start(ReplyHead(head.status, head.headers))  # how it ends is ours to say
        sink.write(bytes(waiting))
        return more

    async def _go_on(self, sink: Sink) -> bool:
        """Hand on what comes until the caller is slow, or the stream ends or turns to its last events."""
        relay, ending = self._relay, self._ending

        def take(data: bytes) -> bool:
            if events := self._read(data):
                sink.write(events)
            return not (relay.ended or sink.paused or (relay.finished and not ending and self._finished()))

        return await self._answer.pour(take)

    def _finished(self) -> bool:
        finished = self._relay.finished
        return bool(finished) and len(finished) >= self._asked

    @cached_property
    def _asked(self) -> int:
        return choices_asked(self._request.endpoint, self._request.body)

    def _read(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes."""
        try:
            events = self._relay.feed(data)
        except EventTooLargeError as error:
            raise self._judge.broken("the worker sent too large an event") from error
        return events

    async def _in_time(self, reading: Coroutine[None, None, bool]) -> bool:
        """Read what comes after the answer itself; failure and silence are none any more, only its end.

        Only reading takes of the time, not a wait for the caller.
        """
        self._watch.stop()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._left_secs):
                return await reading
        except (TimeoutError, UpstreamError):
            return False
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


def _drop(_data: bytes) -> bool:
    """Take what nobody is to see, so that the connection can be used again."""
    return True
