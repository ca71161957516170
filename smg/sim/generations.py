"""A request inside the engine: its choices and what they have produced so far."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from smg.sim.asks import Answer, Ask
    from smg.sim.kv_cache import Hold
    from smg.sim.ledger import End, Record


class CutError(Exception):
    """The engine broke off in the middle of an answer."""


@dataclass(slots=True, eq=False)
class Choice:
    """One answer on its way.

    Attributes:
        produced: Tokens produced.
        to_prefill: Prompt tokens that are still to be read.
        room: Blocks it holds; None while it waits and after its end.
    """

    generation: Generation
    index: int
    answer: Answer
    produced: int = 0
    to_prefill: int = 0
    room: Hold | None = None
    ended: End | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """New tokens of one choice: those from ``start`` up to ``end``; ``last`` if there are no more."""

    choice: Choice
    start: int
    end: int
    last: bool

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The new tokens."""
        return self.choice.answer.token_ids[self.start : self.end]


@dataclass(slots=True, eq=False)
class Generation:
    """One request; ``cached_tokens`` are the first choice's, known from its admission on."""

    ask: Ask
    record: Record
    cached_tokens: int = 0
    choices: list[Choice] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield what is produced, as it comes, until every choice has ended; raises CutError if the engine fails."""
        seen = dict.fromkeys(range(len(self.choices)), 0)
        while seen:
            self.news.clear()
            for choice in [self.choices[index] for index in seen]:
                if (piece := _news(choice, seen[choice.index])) is not None:
                    yield piece
                    seen[choice.index] = piece.end
                    if piece.last:
                        del seen[choice.index]
                if choice.ended == "failed":
                    raise CutError
            if seen:
                await self.news.wait()


def _news(choice: Choice, seen: int) -> Piece | None:
    end, last = choice.produced, choice.ended in {"finished", "aborted"}
    return Piece(choice, seen, end, last) if last or end > seen else None
