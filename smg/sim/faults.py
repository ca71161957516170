"""Faults on request.

| spelling | what the engine does |
|---|---|
| ``delay:SECS`` | waits before it starts |
| ``status:CODE`` | answers with an error |
| ``reset`` | breaks the connection before it answers (gRPC: UNAVAILABLE) |
| ``stall`` | takes the request and never answers |
| ``hang_head`` | sends a part of the head, then nothing (gRPC: the initial metadata) |
| ``stall_after:N`` | produces N tokens, then nothing more |
| ``cut:N`` | produces N tokens, then breaks the connection (gRPC: INTERNAL) |

A request carries one in ``x-sim-fault`` (header or metadata); an engine has a standing one for all requests
or for one rank, or a number of armed ones that are used up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

HEADER = "x-sim-fault"
KINDS = {
    "delay": float,
    "status": int,
    "reset": None,
    "stall": None,
    "hang_head": None,
    "stall_after": int,
    "cut": int,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``value`` is seconds, a status or a number of tokens, by its kind."""

    kind: str
    value: float = 0


def parse(text: str) -> Fault:
    """Return the fault a text spells; raise ValueError if it spells none."""
    kind, _, value = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"unknown fault {kind!r}; one of {', '.join(KINDS)}")
    number = KINDS[kind]
    if (number is None) == bool(value):
        raise ValueError(f"fault {kind!r} {'takes no value' if number is None else 'needs a value'}")
    return Fault(kind, number(value) if number else 0)


class FaultStatusError(Exception):
    """The request is to be answered with an error status, 400 to 599."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class FaultResetError(Exception):
    """The connection of the request is to be broken."""


class FaultHangHeadError(Exception):
    """A part of the head is to be sent, then nothing."""


class Faults:
    """The faults of one engine."""

    def __init__(self) -> None:
        self._standing: dict[int | None, Fault] = {}
        self._armed: deque[Fault] = deque()

    def set(self, text: str | None, *, rank: int | None = None) -> None:
        """Make a fault the standing one, of all requests or of one rank's; None takes it away."""
        if text is None:
            self._standing.pop(rank, None)
        else:
            self._standing[rank] = parse(text)

    def arm(self, text: str, times: int = 1) -> None:
        """Let the next requests meet a fault; at most 10,000 at once."""
        self._armed.extend([parse(text)] * min(times, 10_000))

    def clear(self) -> None:
        """Take all faults away."""
        self._standing.clear()
        self._armed.clear()

    def of(self, asked: str | None, rank: int) -> Fault | None:
        """Return the fault of one request: its own, else an armed one, else its rank's, else everybody's."""
        if asked:
            return parse(asked)
        if self._armed:
            return self._armed.popleft()
        return self._standing.get(rank) or self._standing.get(None)


async def meet(fault: Fault | None) -> None:
    """Do what a fault does before anything is produced; raises one of the fault errors of this file."""
    match fault:
        case Fault("delay", seconds):
            await asyncio.sleep(seconds)
        case Fault("stall"):
            await asyncio.Event().wait()
        case Fault("status", status):
            raise FaultStatusError(int(status))
        case Fault("reset"):
            raise FaultResetError
        case Fault("hang_head"):
            raise FaultHangHeadError
        case _:
            return
