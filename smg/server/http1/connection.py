"""One caller's connection: bytes in, requests out, answers back in order.

Theory: a connection is always in one of four phases. It *waits* for a head; it *serves*, one task handling one
request while what comes in belongs to that request's body or is held for the next head; it *parts*, sending what is
left and reading only to throw away, so that the last answer is not lost to a reset; it is *gone*. Each phase sets
``deadline``, which the crowd's sweep looks at; no connection has a timer of its own.

Known ugliness: a caller who closes only its sending side cannot be told from one who has left, and counts as left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

from typing_extensions import override

from smg.core.errors import GatewayError, RequestTimeoutError
from smg.core.request import Request
from smg.server.http1.crowd import NEVER
from smg.server.http1.intake import Intake
from smg.server.http1.outlet import Outlet
from smg.server.http1.sink import HttpSink
from smg.server.target import split_target
from smg.wire.http_fields import HEAD_END
from smg.wire.http_head import Head, HeadReader, check_begun

if TYPE_CHECKING:
    from smg.core.request import Handler
    from smg.server.http1.service import Service

Job: TypeAlias = "tuple[Handler, Request, HttpSink]"
"""A request, what serves it, and where its answer goes."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
READ_AHEAD_BYTES: Final = 64 << 10
BURST_BYTES: Final = 1 << 20
"""Of a body in one turn of the loop: where more waits, others have their turn first. A loop left to itself reads eight
times as much of each connection."""
NO_HEAD: Final = Head("", "", modern=True, headers=(), fields={}, length=0, keep_alive=False, expects=False)


class Connection(Outlet):
    """Serves one caller.

    Attributes:
        task: What serves its requests, from the first on.
    """

    __slots__ = ("_ahead", "_burst", "_deaf", "_gone", "_heads", "_intake", "_job", "_reading", "_rest", "task")

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._ahead = b""
        self._burst = 0
        self._deaf = False
        self._gone = False
        self._heads = HeadReader()
        self._intake: Intake | None = None
        self._job: Job | None = None
        self._reading = True
        self._rest: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    # What the transport tells.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.deadline = self._now() + self._service.limits.head_secs
        self._service.crowd.admit(self)

    @override
    def data_received(self, data: bytes) -> None:
        if self._deaf or self._gone:
            return
        if self._intake is None:
            self._read_head(self._ahead + data)
        elif not self._intake.done:
            self._take(self._intake, data)
        else:
            self._hold(self._ahead + data)

    @override
    def eof_received(self) -> bool:
        if self._deaf and not self.parting and self._transport.can_write_eof():
            return True  # a refusal is still to be told
        self._hang_up()
        self._part(linger=False)
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._service.crowd.discard(self)
        self._hang_up()

    # What the request under way asks for.

    @property
    @override
    def keepable(self) -> bool:
        return self._intake is not None and self._intake.taken and not self._service.closing

    def invite(self, *, expects: bool) -> None:
        """Let the body come; tell a caller who ``expects`` to be told."""
        if expects:
            self.send(CONTINUE)
        self._listen(wanted=True)
        self._await_body(self._now())

    # What the crowd asks for.

    def expire(self, now: float) -> None:
        """Draw the consequence of the deadline that has passed."""
        if self.parting or self.full:
            self.check_progress(now)
        elif self._intake is not None:
            self.deadline = NEVER
            self._listen(wanted=False)
            self._intake.fail(RequestTimeoutError("the request's body came too slowly"))
        else:
            self.leave()

    def leave(self) -> None:
        """Close once everything handed over is sent."""
        self._part(linger=False)

    def abort(self) -> None:
        """Close now, and cancel the request under way."""
        self._transport.abort()
        self._hang_up()

    # Reading.

    def _read_head(self, data: bytes) -> None:
        """Begin the request whose head ``data`` opens with, or wait for the rest of it."""
        block, end, rest = data.partition(HEAD_END)
        now, limits = self._now(), self._service.limits
        try:
            if not end:
                self._await_head(data, now)
                return
            head = self._heads.read(block, limits.head)
            target = split_target(head.target)
        except GatewayError as error:
            self._deaf = True
            self._serve(self._service.fault(error), NO_HEAD, ("", ""), now)
        else:
            self._ahead = rest
            self._serve(self._service.handler, head, target, now)

    def _await_head(self, data: bytes, now: float) -> None:
        check_begun(data, self._service.limits.head)
        if not self._ahead:
            self.deadline = now + self._service.limits.head_secs
        self._ahead = data

    def _take(self, intake: Intake, data: bytes) -> None:
        """Hand ``data`` to the body that is not complete."""
        rest = intake.feed(data)
        if intake.done:
            self.deadline = NEVER
            self._hold(rest)
        elif intake.wanted:
            self._await_body(self._now())
            self._let_others(len(data))
        else:
            self._listen(wanted=intake.size < READ_AHEAD_BYTES)

    def _let_others(self, taken: int) -> None:
        """Read no more of the body in this turn of the loop, once much of it was taken."""
        self._burst += taken
        if self._burst >= BURST_BYTES:
            self._burst = 0
            self._listen(wanted=False)
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._intake is not None and not self._intake.done:
            self._listen(wanted=True)

    def _await_body(self, now: float) -> None:
        """Give the body the time it has until it must be further on."""
        limits, intake = self._service.limits, self._intake
        if intake is not None:
            slowest = intake.began_at + limits.body_grace_secs + intake.size / limits.body_rate
            self.deadline = min(now + limits.body_idle_secs, slowest)

    def _hold(self, data: bytes) -> None:
        """Keep what belongs to a later request, up to a limit."""
        self._ahead = data
        self._listen(wanted=len(data) < READ_AHEAD_BYTES)

    def _listen(self, *, wanted: bool) -> None:
        if wanted == self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    # Serving.

    def _serve(self, handler: Handler, head: Head, target: tuple[str, str], now: float) -> None:
        service, (path, query) = self._service, target
        service.crowd.busy(self)
        self.deadline = NEVER
        self._intake = intake = Intake(self, head, service.limits.body_bytes, memory=service.memory, began_at=now)
        sink = HttpSink(
            self, service.date, modern=head.modern, bodiless=head.method == "HEAD", keep_alive=head.keep_alive
        )
        request = Request("", head.method, path, query, head.headers, head.fields, intake.read, now)
        if self._ahead and not intake.done:
            ahead, self._ahead = self._ahead, b""
            self._take(intake, ahead)
        self._job = handler, request, sink
        if self.task is None:
            self.task = self._loop.create_task(self._serve_all())
        elif self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    @property
    def _lined_up(self) -> bool:
        """Whether the next request is here already."""
        return self._job is not None

    async def _serve_all(self) -> None:
        """Serve request by request; a task for each would cost a thirtieth of it."""
        try:
            while self._job is not None:
                await self._handle(self._job)
                if self._lined_up:
                    await asyncio.sleep(0)  # many may stand there, and others have their turn first
                elif not (self.parting or self._transport.is_closing()):
                    self._rest = self._loop.create_future()
                    await self._rest
        finally:
            self.task = None

    async def _handle(self, job: Job) -> None:
        self._job = None  # and nothing of it is kept until the next comes
        handler, request, sink = job
        try:
            await handler(request, sink)
            if self.full:
                await self.drain()
        except Exception:  # noqa: BLE001  (answered and told of further in; here only the connection is left)
            self._transport.abort()
        finally:
            self._answered(sink)

    def _answered(self, sink: HttpSink) -> None:
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.release()
        if self._gone or self._transport.is_closing():
            return
        if not sink.finished:
            self._transport.abort()
        elif sink.keep_alive:
            self._wait()
        else:
            self._part(linger=self._deaf or bool(self._ahead) or intake is None or not intake.taken)

    def _wait(self) -> None:
        """Go on to the next request."""
        self.deadline = self._now() + self._service.limits.idle_secs
        self._service.crowd.waits(self)
        self._listen(wanted=True)
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            self._read_head(ahead)

    # Parting.

    def _hang_up(self) -> None:
        """Cancel the request under way, once."""
        if self._gone:
            return
        self._gone = self.parting = True
        if self.task is not None:
            self._service.crowd.abandon(self.task)
        if self._intake is not None:  # a task that had not begun to run will not end it
            self._intake.release()

    def _part(self, *, linger: bool) -> None:
        """Close once what is unsent is sent; where more may come in, only after that was thrown away for a while.

        A socket closed with unread bytes is reset, and the answer on its way is lost with it.
        """
        self._service.crowd.busy(self)
        self.parting = self._deaf = True
        self._ahead = b""
        if linger and self._transport.can_write_eof():
            self._listen(wanted=True)
            self._transport.write_eof()
        else:
            self._transport.close()
        self.watch_progress()
