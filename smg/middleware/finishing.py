"""Which requests run, and the end of the time they have when the gateway stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from smg.core.errors import DrainingError

if TYPE_CHECKING:
    from smg.core.request import Handler, Request, Sink


class Running:
    """The requests under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._expired = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    async def wait_idle(self) -> None:
        """Return once nothing runs; callers bound the wait."""
        await self._idle.wait()

    def expire(self) -> None:
        """End every request under way, and every later one at once, by ``DrainingError``."""
        self._expired = True
        for task in self._tasks:
            task.cancel()

    def enter(self) -> asyncio.Task[Any]:
        """Count in the request that this task serves, and return the task."""
        if self._expired:
            raise DrainingError("the gateway is shutting down")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)  # who does not name it has asyncio ask the system each time
        assert task is not None  # noqa: S101  (each request has one)
        if not self._tasks:
            self._idle.clear()
        self._tasks.add(task)
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Count it out."""
        self._tasks.discard(task)
        if not self._tasks:
            self._idle.set()

    def ended(self, task: asyncio.Task[Any]) -> bool:
        """Whether ``expire`` has cancelled a request, and nobody else; to be asked once."""
        return self._expired and task.uncancel() == 0


def finishing(handler: Handler, *, running: Running) -> Handler:
    """Count requests in and out of ``running`` and end them when it expires."""

    async def handle(request: Request, sink: Sink) -> None:
        task = running.enter()
        try:
            await handler(request, sink)
        except asyncio.CancelledError as error:
            if not running.ended(task):
                raise
            raise DrainingError("the gateway shut down before the answer was complete") from error
        finally:
            running.leave(task)

    return handle
