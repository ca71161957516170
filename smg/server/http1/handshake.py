"""A caller's connection until TLS is agreed on: one of the crowd from its first moment, as any other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from smg.server.http1.connection import Connection
from smg.server.http1.crowd import NEVER

if TYPE_CHECKING:
    import ssl

    from smg.server.http1.service import Service


class Handshake(asyncio.Protocol):
    """Has the loop agree on TLS, and hands over to a ``Connection``.

    A loop left to itself tells of a connection only behind its handshake, so that those which do not go on would stand
    in no count. Two of a caller's words may come too early, and wait here: its first, before TLS stands on the
    transport, and what stands right behind its last.

    Attributes:
        deadline: None of the crowd's: the loop ends a handshake that takes too long.
        task: What waits for its end.
    """

    __slots__ = ("_early", "_service", "_tls", "_transport", "task")
    deadline = NEVER

    def __init__(self, service: Service, tls: ssl.SSLContext) -> None:
        self._service = service
        self._tls = tls
        self._early = b""
        self.task: asyncio.Task[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.task = asyncio.get_running_loop().create_task(self._shake())
        self._service.crowd.admit(self)  # which may end it at once

    @override
    def data_received(self, data: bytes) -> None:
        self._early += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._service.crowd.discard(self)  # a task that had not begun to run will not do it

    def expire(self, now: float) -> None:
        """Do nothing: there is no deadline."""

    def leave(self) -> None:
        """Close: nothing was asked yet."""
        self._service.crowd.busy(self)
        self.abort()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()
        if self.task is not None:
            self.task.cancel()

    async def _shake(self) -> None:
        try:
            transport = await self._agreed()
        except (OSError, asyncio.CancelledError):  # no TLS, none that is good enough, none in time, or we end it
            return
        finally:
            self._service.crowd.discard(self)
        if transport is not None and not transport.is_closing():
            self._hand_over(transport)

    async def _agreed(self) -> asyncio.Transport | None:
        loop, limit_secs = asyncio.get_running_loop(), self._service.limits.handshake_secs
        if self._early:
            loop.call_soon(self._say_again)
        return await loop.start_tls(
            self._transport, self, self._tls, server_side=True, ssl_handshake_timeout=limit_secs
        )

    def _say_again(self) -> None:
        """Tell TLS, which stands on the transport now, what was read before it did."""
        early, self._early = self._early, b""
        shaking = cast("asyncio.BufferedProtocol", self._transport.get_protocol())
        while early:
            space = memoryview(shaking.get_buffer(len(early)))
            taken = min(len(space), len(early))
            space[:taken], early = early[:taken], early[taken:]
            shaking.buffer_updated(taken)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        connection = Connection(self._service)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if self._early:
            connection.data_received(self._early)
