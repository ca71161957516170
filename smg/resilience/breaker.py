"""Circuit breaker: a table of transitions and a clock, no I/O.

Theory: a breaker guards one worker. CLOSED lets every request through and counts how they end; a run of failures, or
a large share of failures in the window, trips it. OPEN refuses until its time is over, or until the worker's health
is known to have come back. HALF_OPEN lends its one probe slot to one request at a time and believes how that ends:
well closes the breaker, ill opens it again for twice as long. A probe that is answered "busy" shows a worker that
lives but takes no more: it is left alone for as long as before, since closing would send it everybody at once.

Rules of the file:
- Every legal move is a row of TRANSITIONS; a move that is not there is a bug of ours and raises.
- Whoever is let in holds a ``Ticket`` and settles it once, whatever happens. A ticket counts only in the state it was
  given out in: what a request of an earlier state tells is old news.
- ABANDONED says nothing of the worker; it only gives the slot back. Only a failure can trip: while CLOSED, BUSY
  counts neither as failure nor as success.
- A probe may be a generation of many minutes. After ``probe_secs`` it no longer keeps others out, but its verdict
  still counts when it comes: so there is always a way out of HALF_OPEN.
- Time alone moves nothing until somebody looks: ``tick`` does, and ``admit`` calls it. ``retry_at`` says when a look
  is worth while.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from smg.core.words import Outcome
from smg.resilience.window import SlidingCount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from smg.core.clock import Clock
    from smg.resilience.settings import BreakerSettings

BUCKETS: Final = 10
JITTER_RATIO: Final = 0.2


class BreakerState(Enum):
    """Whether a worker is trusted; the value is the word in events and metrics."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Move(Enum):
    """What makes a breaker change its state."""

    TRIPPED = "tripped"
    COOLED = "cooled"
    RECOVERED = "recovered"
    PROBED_WELL = "probed_well"
    PROBED_ILL = "probed_ill"
    PROBED_BUSY = "probed_busy"


TRANSITIONS: Final[Mapping[tuple[BreakerState, Move], BreakerState]] = {
    (BreakerState.CLOSED, Move.TRIPPED): BreakerState.OPEN,
    (BreakerState.OPEN, Move.COOLED): BreakerState.HALF_OPEN,
    (BreakerState.OPEN, Move.RECOVERED): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, Move.PROBED_WELL): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, Move.PROBED_ILL): BreakerState.OPEN,
    (BreakerState.HALF_OPEN, Move.PROBED_BUSY): BreakerState.OPEN,
}


class Ticket:
    """One request's admission past a breaker.

    Attributes:
        probe: Whether it holds the probe slot of a half-open breaker.
    """

    __slots__ = ("_breaker", "era", "probe")

    def __init__(self, breaker: CircuitBreaker, era: int, *, probe: bool) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self.era = era
        self.probe = probe

    def settle(self, outcome: Outcome) -> None:
        """Tell how the request ended; the first verdict stands, so this may be called on every way out."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.learn(self, outcome)


class CircuitBreaker:
    """Decides from outcomes whether a worker is to be trusted with requests.

    Attributes:
        state: As of the last look; time that has passed since shows in ``allows`` and at the next ``tick``.
        retry_at: Clock reading from which ``allows`` is true by time alone; None while it is true anyway.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        clock: Clock,
        rng: Random,
        on_change: Callable[[BreakerState, BreakerState], None],
    ) -> None:
        """Begin CLOSED.

        ``on_change`` hears the old and the new state after each move, and HALF_OPEN twice when only the probe slot
        was taken or became free: whenever ``allows`` may have changed but by time. It must not raise.
        """
        self.state = BreakerState.CLOSED
        self.retry_at: float | None = None
        self._settings = settings
        self._now = clock.now
        self._rng = rng
        self._on_change = on_change
        self._succeeded = SlidingCount(settings.window_secs, BUCKETS)
        self._failed = SlidingCount(settings.window_secs, BUCKETS)
        self._era = 0
        self._prober: Ticket | None = None
        self._run = 0
        self._good_probes = 0
        self._open_secs = settings.open_secs

    def allows(self) -> bool:
        """Whether a request may be sent now; changes nothing."""
        return self.retry_at is None or self._now() >= self.retry_at

    def admit(self) -> Ticket | None:
        """Let a request in, or return None; whoever holds the ticket must settle it."""
        if self.state is BreakerState.CLOSED:
            return Ticket(self, self._era, probe=False)
        self.tick()
        return self._lend() if self.retry_at is None else None

    def tick(self) -> None:
        """Do what is due: half-open a cooled breaker, free the slot of a probe that takes too long."""
        if self.retry_at is None or not self.allows():
            return
        if self.state is BreakerState.OPEN:
            self._move(Move.COOLED)
        else:
            self._free()

    def half_open_now(self) -> None:
        """Try an OPEN worker again at once: its health has come back. Any other state stays."""
        if self.state is BreakerState.OPEN:
            self._move(Move.RECOVERED)

    def learn(self, ticket: Ticket, outcome: Outcome) -> None:
        """Take a ticket back; called by the ticket, once."""
        if ticket.era != self._era:
            return
        if self.state is BreakerState.CLOSED:
            self._count(outcome)
        else:
            self._believe(ticket, outcome)

    def _count(self, outcome: Outcome) -> None:
        if outcome is Outcome.SUCCEEDED:
            self._run = 0
            self._succeeded.add(self._now())
        elif outcome is Outcome.FAILED:
            self._run += 1
            self._failed.add(self._now())
            if self._untrusted() and not self._settings.disabled:
                self._move(Move.TRIPPED)

    def _untrusted(self) -> bool:
        if self._run >= self._settings.failure_threshold:
            return True
        now = self._now()
        failed = self._failed.total(now)
        requests = failed + self._succeeded.total(now)
        return requests >= self._settings.min_requests and failed >= self._settings.failure_rate * requests

    def _believe(self, ticket: Ticket, outcome: Outcome) -> None:
        self._good_probes += outcome is Outcome.SUCCEEDED
        if outcome is Outcome.FAILED:
            self._open_secs = min(self._open_secs * 2, self._settings.longest_secs)
            self._move(Move.PROBED_ILL)
        elif outcome is Outcome.BUSY:
            self._move(Move.PROBED_BUSY)
        elif self._good_probes >= self._settings.success_threshold:
            self._move(Move.PROBED_WELL)
        elif ticket is self._prober:
            self._free()

    def _lend(self) -> Ticket:
        self._prober = Ticket(self, self._era, probe=True)
        self.retry_at = self._now() + self._settings.probe_secs
        self._on_change(self.state, self.state)
        return self._prober

    def _free(self) -> None:
        self._prober = self.retry_at = None
        self._on_change(self.state, self.state)

    def _move(self, move: Move) -> None:
        old, self.state = self.state, TRANSITIONS[self.state, move]
        self._era += 1
        self._prober = self.retry_at = None
        self._good_probes = 0
        if self.state is BreakerState.OPEN:
            self._cool()
        elif self.state is BreakerState.CLOSED:
            self._reset()
        self._on_change(old, self.state)

    def _cool(self) -> None:
        spread = self._rng.uniform(1 - JITTER_RATIO, 1 + JITTER_RATIO)
        self.retry_at = self._now() + self._open_secs * spread

    def _reset(self) -> None:
        self._run = 0
        self._open_secs = self._settings.open_secs
        self._succeeded.clear()
        self._failed.clear()
