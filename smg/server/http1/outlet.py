"""The sending half of a connection: what waits for the caller, and whether the caller takes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from typing_extensions import override

from smg.server.http1.crowd import NEVER
from smg.server.http1.sink import Channel

if TYPE_CHECKING:
    from smg.server.http1.service import Service

WRITE_AHEAD_BYTES: Final = 6 << 10
"""With what a loop reads at once, 250 KiB, no more than the 256 KiB that one answer may hold."""

PARTING_SECS: Final = 1.0


class Outlet(asyncio.Protocol, Channel):
    """Sends to one caller.

    Attributes:
        deadline: Clock reading from which on the connection is to be looked at.
        parting: Nothing more is sent than what waits already, and not even that once the caller has gone.
    """

    __slots__ = (
        *("_loop", "_moved_at", "_now", "_service", "_transport", "_unsent", "_waiter"),
        *("deadline", "full", "parting"),
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._now = service.clock.now
        self._moved_at = 0.0
        self._unsent = 0
        self._waiter: asyncio.Future[None] | None = None
        self.deadline = NEVER
        self.full = False
        self.parting = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD_BYTES)

    @override
    def pause_writing(self) -> None:
        self.full = True
        self.watch_progress()

    @override
    def resume_writing(self) -> None:
        self.full = False
        if not self.parting:
            self.deadline = NEVER
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @override
    def send(self, data: bytes) -> None:
        if not self.parting:  # to ask the transport costs a hundred times as much, and what it has given up it drops
            self._transport.write(data)

    @override
    async def drain(self) -> None:
        """Wait until the caller takes more.

        Raises:
            ConnectionResetError: It has gone, or took nothing for the stall limit and was cut off.
        """
        if self.full and not self._transport.is_closing():
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._transport.is_closing():
            raise ConnectionResetError("the caller has gone")

    def watch_progress(self) -> None:
        """Let ``check_progress`` compare with now, from the next sweep on."""
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._moved_at = self._now()

    def check_progress(self, now: float) -> None:
        """Cut off a caller who takes nothing of what waits for it, or for whom nothing waits any more."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent, self._moved_at = unsent, now
        elif now - self._moved_at >= (self._service.limits.stall_secs if unsent else PARTING_SECS):
            self._cut()

    def _cut(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("the caller takes nothing"))
        self._transport.abort()
