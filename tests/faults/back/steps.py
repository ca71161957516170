"""What a scripted backend does, step by step: the words of every script, HTTP and gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from tests.faults.back.book import Attempt


class Step:
    """One thing a backend does."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Send(Step):
    """Send these bytes as they are."""

    data: bytes
    times: int = 1


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Do nothing for so long; ends early when the gateway leaves."""

    secs: float


@dataclass(frozen=True, slots=True)
class Gate(Step):
    """Do nothing until the test lets go; ends early when the gateway leaves."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Silence(Step):
    """Say nothing until the gateway leaves."""


@dataclass(frozen=True, slots=True)
class Reset(Step):
    """Reset the TCP connection."""


@dataclass(frozen=True, slots=True)
class HalfClose(Step):
    """Send FIN, and go on reading until the gateway leaves."""


@dataclass(frozen=True, slots=True)
class Close(Step):
    """Close the TCP connection in good order."""


@dataclass(frozen=True, slots=True)
class Message(Step):
    """Send one gRPC message; ``flag`` 1 claims that it is compressed, ``length`` lies about its size.

    ``coding`` is told in the head of the answer, where this is its first message.
    """

    data: bytes
    flag: int = 0
    length: int | None = None
    coding: str = ""


@dataclass(frozen=True, slots=True)
class Status(Step):
    """End the gRPC call with a status; before any message these are trailers alone."""

    code: int
    text: str = "told by the backend"


@dataclass(frozen=True, slots=True)
class ResetStream(Step):
    """Send RST_STREAM with this HTTP/2 error code."""

    code: int


@dataclass(frozen=True, slots=True)
class GoAway(Step):
    """Send GOAWAY; ``last`` is the highest stream said to be served, None for this call's own."""

    code: int = 0
    last: int | None = None
    debug: bytes = b""


@dataclass(frozen=True, slots=True)
class Freeze(Step):
    """Neither read nor write on this connection any more."""


Script: TypeAlias = "Sequence[Step]"


@dataclass
class Play:
    """Which script an attempt is given: the first attempt at a request the first act, and so on; the last repeats."""

    acts: Sequence[Script]

    def act(self, attempt: Attempt) -> Script:
        """Return the script of an attempt."""
        return self.acts[min(attempt.number, len(self.acts)) - 1]
