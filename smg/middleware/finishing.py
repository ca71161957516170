"""Which requests run, and the end of the time they have when the gateway stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from smg.core.errors import DrainingError

if TYPE_CHECKING:
    from smg.core.request import Handler, Request, Sink


class Running:
    """The requests under way."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._expired = False

    def __len__(self) -> int:
        return len(self._scopes)

    async def wait_idle(self) -> None:
        """Return once nothing runs; callers bound the wait."""
        await self._idle.wait()

    def expire(self) -> None:
        """End every request under way, and every later one at once, by ``DrainingError``."""
        self._expired = True
        now = asyncio.get_running_loop().time()
        for scope in self._scopes:
            scope.reschedule(now)

    def enter(self, scope: asyncio.Timeout) -> None:
        """Count a request in."""
        if self._expired:
            raise DrainingError("the gateway is shutting down")
        self._scopes.add(scope)
        self._idle.clear()

    def leave(self, scope: asyncio.Timeout) -> None:
        """Count it out; safe to call for one that never entered."""
        self._scopes.discard(scope)
        if not self._scopes:
            self._idle.set()


def finishing(handler: Handler, *, running: Running) -> Handler:
    """Count requests in and out of ``running`` and end them when it expires."""

    async def handle(request: Request, sink: Sink) -> None:
        scope = asyncio.timeout(None)
        try:
            async with scope:
                running.enter(scope)
                await handler(request, sink)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DrainingError("the gateway shut down before the answer was complete") from error
        finally:
            running.leave(scope)

    return handle
