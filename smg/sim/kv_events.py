"""What happened to the blocks of a KV cache, in order, for those who follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KEPT_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """Blocks came in: each with its hash and its tokens, a chain that follows ``parent``."""

    parent: int | None
    blocks: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """Blocks were given up for others."""

    hashes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """All blocks are gone."""


KvEvent: TypeAlias = Stored | Removed | Cleared


class KvEventLog:
    """The last 10,000 events under rising numbers, the first is 1."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, KvEvent]] = deque(maxlen=KEPT_EVENTS)
        self._grown = asyncio.Event()
        self.last = 0

    def append(self, event: KvEvent) -> None:
        """Number an event and wake those who follow."""
        self.last += 1
        self._kept.append((self.last, event))
        self._grown.set()
        self._grown = asyncio.Event()

    async def follow(self, start: int) -> AsyncGenerator[tuple[int, KvEvent], None]:
        """Yield kept and coming events from number ``start``, without end; 0 and 1 mean all that is kept."""
        upcoming = start
        while True:
            grown = self._grown
            for number, event in tuple(self._kept):
                if number >= upcoming:
                    upcoming = number + 1
                    yield number, event
            if grown is self._grown:
                await grown.wait()
