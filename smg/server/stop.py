"""How a gateway is told to end: once to drain, once more to end at once; by signals, or by who started it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from smg.core.tasks import Tasks
from smg.server.observers.logs import LogObserver

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """What is wanted of the end.

    Attributes:
        drain: Set once running requests are to finish and no new ones to begin.
        hurry: Set once nothing is to be waited for any more.
    """

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.hurry = asyncio.Event()
        self._signalled = False

    def signal(self) -> None:
        """Take a signal: the first wants the drain, whoever else wants it already; the second is in a hurry."""
        (self.hurry if self._signalled else self.drain).set()
        self._signalled = True

    def at_once(self) -> None:
        """Want the end without a drain."""
        self.drain.set()
        self.hurry.set()

    async def unless_hurried(self, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work`` to its end, or until there is a hurry."""
        tasks = Tasks(LogObserver())
        try:
            done = tasks.spawn("unless hurried", work)
            hurried = tasks.spawn("hurry", _waited(self.hurry))
            await asyncio.wait((done, hurried), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await tasks.aclose()


@contextmanager
def signalled() -> Iterator[Stop]:
    """Have SIGTERM and SIGINT tell the stop that is yielded."""
    loop, stop = asyncio.get_running_loop(), Stop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.signal)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _waited(event: asyncio.Event) -> None:
    await event.wait()
