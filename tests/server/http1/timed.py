"""A listener whose time passes only when a test says so."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from smg.server.http1.listener import Bind, Listener
from tests.resilience.support import ManualClock
from tests.server.http1.front import LIMITS, Front

SLOW = replace(LIMITS, head_secs=10, idle_secs=75, body_idle_secs=20, body_grace_secs=10, body_rate=1024, stall_secs=10)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"


class Timed(Front):
    """A front whose time only the test moves, and whose sweep only the test runs."""

    def __init__(self, handler: Any, limits: Any) -> None:
        super().__init__(handler, limits)
        self.time = ManualClock()
        self.listener = Listener(self.around(handler), self.fault, limits, self.time)

    async def pass_secs(self, secs: float) -> None:
        """Let time pass, look at every connection once, and let the loop work off what comes of it."""
        await self.settle()
        self.time.time += secs
        self.listener._crowd.sweep(self.time.now())
        await self.settle()

    @staticmethod
    async def settle() -> None:
        """Let what is on its way over the loopback arrive."""
        for _ in range(20):
            await asyncio.sleep(0.001)


@asynccontextmanager
async def timed(handler: Any, limits: Any = SLOW) -> Any:
    served = Timed(handler, limits)
    await served.listener.start(Bind(host="127.0.0.1", port=0))
    assert served.listener._timer is not None
    served.listener._timer.cancel()
    try:
        async with asyncio.timeout(10):
            yield served
    finally:
        await served.listener.aclose()
