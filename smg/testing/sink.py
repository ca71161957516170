"""A sink that keeps what it is given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.request import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.request import ReplyHead


class CollectingSink(Sink):
    """Keeps one answer, holds every writer to the sink's rules, and plays a slow or a gone caller.

    Attributes:
        writes: The body as it came, one entry per write.
        finished: Whether the body was ended properly.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changes: list[Callable[[ReplyHead], ReplyHead]] = []
        self.writes: list[bytes] = []
        self.finished = False
        self._gone = False
        self._taking = asyncio.Event()
        self._taking.set()
        self._draining = asyncio.Event()

    @property
    @override
    def paused(self) -> bool:
        """Whether the caller does not read: since ``pause``, or because it has gone."""
        return self._gone or not self._taking.is_set()

    @property
    def body(self) -> bytes:
        """All bytes so far."""
        return b"".join(self.writes)

    @override
    def amend(self, change: Callable[[ReplyHead], ReplyHead]) -> None:
        """Have the head changed; the last to ask is the first to change it."""
        self._changes.insert(0, change)

    @override
    def start(self, head: ReplyHead) -> None:
        """Keep the head; it may come only once."""
        if self.head is not None:
            raise RuntimeError("the head was handed over before")
        for change in self._changes:
            head = change(head)
        self.head = head

    @override
    def write(self, data: bytes) -> None:
        """Keep body bytes; they may come only between head and end."""
        if self.head is None or self.finished:
            raise RuntimeError("bytes outside of a body")
        self.writes.append(data)

    @override
    async def drain(self) -> None:
        """Wait until the caller takes bytes again; raise ConnectionResetError if it has gone."""
        self._draining.set()
        await self._taking.wait()
        if self._gone:
            raise ConnectionResetError("the caller has gone")

    @override
    def finish(self) -> None:
        """End the body; may be called only once."""
        if self.head is None or self.finished:
            raise RuntimeError("an end without a body")
        self.finished = True

    def pause(self) -> None:
        """Be a caller that reads no more for now."""
        self._draining.clear()
        self._taking.clear()

    def resume(self) -> None:
        """Be a caller that reads again."""
        self._taking.set()

    def leave(self) -> None:
        """Be a caller that has gone."""
        self._gone = True
        self._taking.set()

    async def until_drained_on(self) -> None:
        """Wait until a writer waits for the paused caller; a deadline is the test's."""
        await self._draining.wait()
