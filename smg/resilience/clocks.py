"""The five clocks of an exchange with a worker: connect, first byte, first token, between chunks, total.

Theory: marks (sent, head, output, chunk) tell how far an exchange has come, and with it which clocks run:

    phase        begins with            clocks that run
    CONNECTING   the exchange           connect, total
    WAITING      a connection, and anew first byte, total; for a stream also first token
                 when all is sent
    SILENT       a stream's head        first token, total
    FLOWING      a stream's output,     between chunks, total
                 or another's head
    PAUSED       a caller that is slow  total: the worker is not to blame for what is not read

A mark stores at most two numbers: nothing is armed or cancelled per chunk. Whoever watches asks ``next_deadline`` when
to look again, and then ``expired``, whose answer may be None: output has come meanwhile, and there is a later deadline.
a chunk only ever moves the deadline away; a mark that begins a phase may bring it nearer, so ask again after it.
Clocks that run out at the same instant are told in the order of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from smg.core.words import Word

if TYPE_CHECKING:
    from smg.resilience.settings import ClockSettings


class ClockKind(Word):
    """Which clock; the value is the word in settings, headers, error codes and metrics."""

    CONNECT = "connect"
    FIRST_BYTE = "first_byte"
    FIRST_TOKEN = "first_token"  # noqa: S105 - a word of the model's, not a secret
    BETWEEN_CHUNKS = "between_chunks"
    TOTAL = "total"


class Phase(Word):
    """How far an exchange has come."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    SILENT = "silent"
    FLOWING = "flowing"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class RanOut:
    """A clock that ran out.

    Attributes:
        limit_secs: What it was set to.
        elapsed_secs: What had passed when somebody looked, at least ``limit_secs``.
        blames: It says something of who was waited for. A total that is over does not where output flowed, nor where
            most of it was spent before this exchange began.
    """

    clock: ClockKind
    limit_secs: float
    elapsed_secs: float
    blames: bool = True

    def __str__(self) -> str:
        name = self.clock.value.replace("_", " ")
        return f"the {name} clock ran out: {self.limit_secs:g} s allowed, {self.elapsed_secs:.3f} s elapsed"


Running: TypeAlias = tuple[ClockKind, float, float]
"""A clock that runs: which, when it was started, and what it is set to."""


def shortest_secs(settings: ClockSettings) -> float:
    """Return the shortest of the clocks that a mark begins; the others begin with the exchange."""
    return min(settings.first_byte_secs, min(settings.first_token_secs, settings.between_chunks_secs))  # noqa: PLW3301


class Clocks:
    """The clocks of one exchange.

    Attributes:
        phase: How far it has come; goes forward, but for the pauses.
        alive_at: When a sign of life came last, a comment included: once output flows, silence counts from here. A
            chunk's mark is a store into it and nothing else.
        began_at: When the exchange began.
        sent_at: When the request was last handed over, in part or whole; before that, when the exchange began.
    """

    __slots__ = ("_settings", "_stream", "_total_from", "alive_at", "began_at", "phase", "sent_at")

    def __init__(self, settings: ClockSettings, now: float, *, stream: bool, total_from: float | None = None) -> None:
        """Begin to connect at ``now``; the total runs from ``total_from``, where an earlier try has begun it."""
        self.phase = Phase.CONNECTING
        self._settings = settings
        self._stream = stream
        self.began_at = self.sent_at = self.alive_at = now
        self._total_from = now if total_from is None else total_from

    def sent(self, now: float) -> None:
        """Note that the request was handed over: once there is a connection what it takes, and then the rest."""
        if self.phase is Phase.CONNECTING or self.phase is Phase.WAITING:
            self.phase = Phase.WAITING
            self.sent_at = now

    def head(self, now: float) -> None:
        """Note that the answer's head came; an answer may come before the request is all sent."""
        if self.phase is Phase.CONNECTING:
            self.sent(now)
        if self.phase is Phase.WAITING:
            self.phase = Phase.SILENT if self._stream else Phase.FLOWING
            self.alive_at = now

    def output(self, now: float) -> None:
        """Note that the worker produced something for the caller; the first time ends the wait for the first token."""
        self.head(now)
        if self.phase is Phase.SILENT:
            self.phase = Phase.FLOWING
        self.alive_at = now

    def pause(self) -> None:
        """Note that nothing more is read from the worker, because the caller is slow to take it."""
        if self.phase is Phase.FLOWING:
            self.phase = Phase.PAUSED

    def resume(self, now: float) -> None:
        """Note that the worker is read from again."""
        if self.phase is Phase.PAUSED:
            self.phase = Phase.FLOWING
            self.alive_at = now

    def next_deadline(self) -> float:
        """Return the reading at which the first of the clocks runs out unless a mark comes before."""
        _, start, limit = self._first()
        return start + limit

    def expired(self, now: float) -> RanOut | None:
        """Return the clock that has run out first by ``now``, if any has."""
        kind, start, limit = self._first()
        if now < start + limit:
            return None
        return RanOut(kind, limit, now - start, blames=kind is not ClockKind.TOTAL or self._blames(now, limit))

    def _blames(self, now: float, total_secs: float) -> bool:
        """Whether a total that is over was this exchange's, and without output."""
        silent = self.phase is not Phase.FLOWING and self.phase is not Phase.PAUSED
        return silent and now - self.began_at >= total_secs / 2

    def _first(self) -> Running:
        """Return the clock of those running that runs out first."""
        phase, settings = self.phase, self._settings
        first = (ClockKind.TOTAL, self._total_from, settings.total_secs)
        if phase is Phase.FLOWING:
            first = _sooner((ClockKind.BETWEEN_CHUNKS, self.alive_at, settings.between_chunks_secs), first)
        if self._stream and (phase is Phase.WAITING or phase is Phase.SILENT):
            first = _sooner((ClockKind.FIRST_TOKEN, self.sent_at, settings.first_token_secs), first)
        if phase is Phase.WAITING:
            first = _sooner((ClockKind.FIRST_BYTE, self.sent_at, settings.first_byte_secs), first)
        if phase is Phase.CONNECTING:
            first = _sooner((ClockKind.CONNECT, self.began_at, settings.connect_secs), first)
        return first


def _sooner(one: Running, other: Running) -> Running:
    """Return which of two clocks runs out first, and of two that do so together the first."""
    return one if one[1] + one[2] <= other[1] + other[2] else other
