"""A listener on a free port with one handler behind it, and raw exchanges with it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from smg.core.clock import MonotonicClock
from smg.middleware.failures import failures, refusing
from smg.middleware.record import record
from smg.middleware.stamp import stamp
from smg.server.http1.listener import Bind, Listener
from smg.server.http1.service import Limits
from tests.middleware.recording import RecordingObserver

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from smg.core.errors import GatewayError
    from smg.core.request import Handler

LIMITS = Limits(body_bytes=1 << 20, body_idle_secs=0.2, stall_secs=0.2, idle_secs=5)


class Front:
    """The listener, and what it told."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.observer = RecordingObserver()
        self.clock = MonotonicClock()
        self.listener = Listener(self.around(handler), self.fault, limits, self.clock)

    def fault(self, error: GatewayError) -> Handler:
        return self.around(refusing(error))

    def around(self, handler: Handler) -> Handler:
        told = record(failures(handler, observer=self.observer), clock=self.clock, observer=self.observer)
        return stamp(told, id_headers=("x-request-id",), clock=self.clock)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listener.port)

    async def talk(self, sent: bytes) -> bytes:
        """Send bytes, return all that comes back until the listener closes."""
        reader, writer = await self.connect()
        writer.write(sent)
        try:
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def front(handler: Handler, limits: Limits = LIMITS, tls: ssl.SSLContext | None = None) -> AsyncIterator[Front]:
    """Listen for the time of the block."""
    served = Front(handler, limits)
    await served.listener.start(Bind(host="127.0.0.1", port=0, tls=tls))
    try:
        yield served
    finally:
        await served.listener.aclose()
