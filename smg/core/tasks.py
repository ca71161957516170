"""Background tasks with an owner: each is named, kept, told of when it fails, and ended with its owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from smg.core.events import TaskFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from smg.core.observers import Observer


class Tasks:
    """The background tasks of one owner."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` in the background under ``name`` until it ends or ``aclose`` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._observer.notify(TaskFailed(task.get_name(), error))

    async def idle(self, within_secs: float) -> None:
        """Wait until nothing runs, so long at most."""
        if self._running:
            await asyncio.wait(self._running, timeout=within_secs)

    async def aclose(self) -> None:
        """Cancel what still runs and wait for its end; safe to call twice."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
