"""An answer that is read by ourselves, on a connection of the worker's own pool.

Bytes are handed on where they arrive: no task, no queue and no future per piece of a body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from smg.core.errors import DownstreamError, Retry, StaleConnectionError, UpstreamError
from smg.wire.answer_body import body_of
from smg.workers.http_answer import HttpAnswer
from smg.workers.http_connector import stale
from smg.workers.lean_connection import Receiver

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from smg.core.words import WorkerId
    from smg.wire.answer_body import AnswerBody
    from smg.workers.lean_connection import LeanConnection
    from smg.workers.watch import Watch

HELD_BYTES: Final = 6 << 10
"""Of a body that nobody has yet asked for; beyond, nothing more is read. A loop reads up to 250 KiB at once."""

JOINED_BYTES: Final = 64 << 10
"""A body up to this size leaves in one write with its head."""


class LeanAnswer(HttpAnswer, Receiver):
    """What an exchange hears on its connection, and its answer once the head is in."""

    __slots__ = (
        *("_body", "_connection", "_ended", "_failure", "_held", "_keep_alive", "_lost", "_paused", "_running"),
        *("_take", "_transport", "_unsent", "_woken"),
        *("content_type", "fields", "headers", "length", "status", "watch", "worker_id"),
    )

    def __init__(self, worker_id: WorkerId, connection: LeanConnection, watch: Watch, running: set[HttpAnswer]) -> None:
        """Take over a connection, and stand in ``running`` until it is parted from."""
        running.add(self)
        self._running = running
        self.worker_id = worker_id
        self.watch = watch
        self._connection = connection
        self._transport = connection.transport
        self._body: AnswerBody | None = None
        self._held = b""
        self._take: Callable[[bytes], bool] | None = None
        self._woken: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._keep_alive = False
        self._ended = self._lost = self._paused = self._unsent = False
        connection.receiver = self

    # What the exchange asks for.

    async def ask(self, head: bytes, body: bytes) -> None:
        """Send the request and wait for the answer's head; raises UpstreamError."""
        if len(body) <= JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        self.watch.sent()
        await self._event()

    @override
    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        if self._held:
            held, self._held = self._held, b""
            self.watch.chunk()
            if not take(held):
                return not self._over
        if self._failure is not None:
            raise self._failure
        if not self._ended:
            self._take = take
            self._read_on()
            try:
                await self._event()
            finally:
                self._take = None
        return not self._over

    @override
    def at_once(self) -> bytes | None:
        if not self._ended or self._failure is not None:
            return None
        held, self._held = self._held, b""
        return held

    @property
    def _over(self) -> bool:
        """Whether the body has ended well and all of it was taken."""
        return self._ended and not self._held and self._failure is None

    @override
    def break_off(self) -> None:
        self._fail(UpstreamError(self.worker_id, "the worker was removed", retry=Retry.IF_IDEMPOTENT))

    @override
    def part(self) -> None:
        self._running.discard(self)
        if self._ended and self._keep_alive and not self._lost and self._failure is None and not self._unsent:
            self._read_on()
            self._connection.rest()
        else:
            self._connection.discard()
        # The frames that a failure went through lead back here: all of it would wait for the collector.
        self._failure = self._woken = None

    def _event(self) -> asyncio.Future[None]:
        """Return what is done once there is something to be told."""
        if self._failure is not None:
            raise self._failure
        self._woken = self.watch.loop.create_future()
        return self._woken

    # What the connection tells.

    @override
    def arrived(self, data: bytes) -> None:
        if self._ended:
            self._keep_alive = False  # nobody asked for that
        elif self._body is None:
            self._read_head(self._held + data)
        else:
            self._feed(self._body, data)

    @override
    def clogged(self, unsent: bool) -> None:
        self._unsent = unsent
        if not unsent:
            self.watch.sent()

    @override
    def cut(self, error: Exception | None) -> None:
        self._lost = True
        if self._ended:
            return
        if self._body is not None and self._body.endless and error is None:
            self._ended = True
            self._wake()
        elif self._body is None and not self._held and not self._connection.fresh and stale(self.watch):
            message = "the worker had closed the connection"
            self._fail(StaleConnectionError(self.worker_id, message, retry=Retry.IF_IDEMPOTENT))
        else:
            self._fail(UpstreamError(self.worker_id, "the worker closed the connection", retry=Retry.IF_IDEMPOTENT))

    # Reading.

    def _read_head(self, data: bytes) -> None:
        try:
            head, rest = self._connection.heads.read(data)
        except DownstreamError as error:
            self._garbled(error)
            return
        if head is None:
            self._held = rest
            return
        self.watch.head()
        self.status, self.headers, self.fields, self.length = head.status, head.headers, head.fields, head.length
        self.content_type = head.content_type
        self._keep_alive, self._held = head.keep_alive, b""
        self._body = body_of(head)
        self._feed(self._body, rest)
        self._wake()

    def _feed(self, body: AnswerBody, data: bytes) -> None:
        try:
            found = body.feed(data) if data else b""
        except DownstreamError as error:
            self._garbled(error)
            return
        if body.done:
            self._keep_alive = self._keep_alive and not body.beyond
            self._ended = True
        if found:
            self._hand_on(found)
        if body.done:
            self._wake()

    def _hand_on(self, data: bytes) -> None:
        if self._take is None:
            self._hold(data)
            return
        self.watch.chunk()
        try:
            wanted = self._take(data)
        except Exception as error:  # noqa: BLE001  (raised on where the body is awaited)
            self._fail(error)
            return
        if not wanted:
            self._take = None
            self._read_no_more()
            self._wake()

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) >= HELD_BYTES:
            self._read_no_more()

    def _read_no_more(self) -> None:
        if not (self._paused or self._ended or self._lost):
            self._paused = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    # Telling.

    def _garbled(self, error: DownstreamError) -> None:
        told = UpstreamError(self.worker_id, "the worker did not answer in HTTP", retry=Retry.IF_IDEMPOTENT)
        told.__cause__ = error
        self._fail(told)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure, self._ended = error, True
            if self._woken is not None and not self._woken.done():
                self._woken.set_exception(error)

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
