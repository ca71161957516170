"""All connections of one listener: how many there are, who waits, and whose time is up."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any, Final, Protocol

NEVER: Final = math.inf

CANCELLED_AT_ONCE: Final = 32
"""Requests whose callers have left that end in one turn of the loop; each takes some tenths of a millisecond."""


class Member(Protocol):
    """A connection, as the crowd sees it."""

    deadline: float
    """Clock reading from which on ``expire`` is due; NEVER where nothing is awaited of the caller."""

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What serves its request, if one is under way."""
        ...

    def expire(self, now: float) -> None:
        """Draw the consequence of a deadline that has passed."""
        ...

    def leave(self) -> None:
        """Close once everything handed over is sent."""
        ...

    def abort(self) -> None:
        """Close now, and cancel what serves it."""
        ...


class Crowd:
    """The connections; one sweep over them stands for a timer in each."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._all: set[Member] = set()
        self._waiting: dict[Member, None] = {}
        self._abandoned: deque[asyncio.Task[Any]] = deque()

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, member: Member) -> None:
        """Take in a connection; beyond the cap, the one that has waited longest for a request leaves.

        Connections whose request is under way stay: where all are, the new one has to leave.
        """
        self._all.add(member)
        self._waiting[member] = None
        if len(self._all) > self._cap:
            next(iter(self._waiting)).leave()

    def discard(self, member: Member) -> None:
        """Forget a connection that is closed."""
        self._all.discard(member)
        self._waiting.pop(member, None)

    def waits(self, member: Member) -> None:
        """Note that a connection has no request under way."""
        self._waiting[member] = None

    def busy(self, member: Member) -> None:
        """Note that it has one, or is closing."""
        self._waiting.pop(member, None)

    def abandon(self, task: asyncio.Task[Any]) -> None:
        """Cancel what serves a caller who has left, a few such in each turn of the loop: many may leave at once."""
        if not self._abandoned:
            asyncio.get_running_loop().call_soon(self._cancel_some)
        self._abandoned.append(task)

    def _cancel_some(self) -> None:
        for _ in range(min(CANCELLED_AT_ONCE, len(self._abandoned))):
            self._abandoned.popleft().cancel()
        if self._abandoned:
            asyncio.get_running_loop().call_soon(self._cancel_some)

    def sweep(self, now: float) -> None:
        """Expire every connection whose deadline has passed."""
        for member in [member for member in self._all if member.deadline <= now]:
            member.expire(now)

    def dismiss(self) -> None:
        """Close every connection that has no request under way."""
        for member in tuple(self._waiting):
            member.leave()

    def abort(self) -> list[asyncio.Task[None]]:
        """Close all at once and return what was serving them, cancelled but maybe not ended yet."""
        members = tuple(self._all)
        tasks = [member.task for member in members if member.task is not None]
        for member in members:
            member.abort()
        return tasks
