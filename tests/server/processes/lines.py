"""A line between two ends in one process."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from smg.server.processes.peer import Peer
from tests.workers.support import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from smg.server.processes.messages import AnyMessage

    Take: TypeAlias = Callable[[AnyMessage], Awaitable[AnyMessage | None]]


async def silent(_message: AnyMessage) -> None:
    """Answer nothing but that it is done."""


@asynccontextmanager
async def line(take: Take = silent, back: Take = silent) -> AsyncIterator[tuple[Peer, Peer]]:
    """Yield two ends; the second hands what it hears to ``take``, the first to ``back``."""
    ours, theirs = socket.socketpair()
    one, other = await Peer.over(ours, Recorder()), await Peer.over(theirs, Recorder())
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run(back))
        group.create_task(other.run(take))
        try:
            yield one, other
        finally:
            await one.aclose()
            await other.aclose()
