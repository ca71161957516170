"""A network of its own for one connection: no socket, no time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from smg.server.http1.connection import Connection


class Wire(asyncio.Transport):
    """Brings bytes to a connection, no more than it reads, and keeps what it sends.

    Attributes:
        sent: What the caller got.
        closed: Nothing more will be sent.
        aborted: The connection was torn down before its caller had gone.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._reading = True
        self._waiting: list[bytes] = []
        self._lost = False
        self.sent = bytearray()
        self.closed = self.aborted = False
        connection.connection_made(self)

    def bring(self, data: bytes) -> None:
        """Let some bytes arrive."""
        self._waiting.append(data)
        self._deliver()

    def end(self) -> None:
        """Let the caller go."""
        if not self._lost:
            self._lost = True
            self._connection.connection_lost(None)

    def _deliver(self) -> None:
        while self._waiting and self._reading and not self._lost:
            self._connection.data_received(self._waiting.pop(0))

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "something is sent behind the end"
        self.sent += data

    @override
    def pause_reading(self) -> None:
        self._reading = False

    @override
    def resume_reading(self) -> None:
        self._reading = True
        asyncio.get_running_loop().call_soon(self._deliver)

    @override
    def close(self) -> None:
        self.closed = True
        asyncio.get_running_loop().call_soon(self.end)

    @override
    def abort(self) -> None:
        self.aborted = not self._lost
        self.close()

    @override
    def is_closing(self) -> bool:
        return self._lost or self.closed

    @override
    def can_write_eof(self) -> bool:
        return True

    @override
    def write_eof(self) -> None:
        """Go on reading."""

    @override
    def get_write_buffer_size(self) -> int:
        return 0

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have no limits."""
