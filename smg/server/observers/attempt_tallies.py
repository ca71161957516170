"""What is counted of each attempt at a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from smg.core.words import ConnectionMode, Outcome
from smg.server.observers.tallies import Spread, Spreads, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.registry import Collector

    from smg.core.events import AttemptEnded
    from smg.server.observers.tallies import Labels

UNKNOWN: Final = "unknown"
MODES: Final[dict[ConnectionMode | None, str]] = {None: UNKNOWN, **{mode: mode.value for mode in ConnectionMode}}
GONE: Final = ""
"""Stands for every worker that has left."""

Kind: TypeAlias = "tuple[str, ConnectionMode | None, Outcome, str]"
"""The worker's URL, its mode, the outcome, and the error code (empty where there is none)."""


class AttemptTally:
    """What came of all attempts of one kind.

    Attributes:
        again: Those that were not their request's first.
    """

    __slots__ = ("again", "durations")

    def __init__(self, bounds: list[float]) -> None:
        self.again = 0
        self.durations = Spread(bounds)


class AttemptTallies:
    """Counts attempts by kind."""

    def __init__(self, bounds: list[float]) -> None:
        """Tell times apart by ``bounds``, which rise to infinity."""
        self._bounds = bounds
        self._of: dict[Kind, AttemptTally] = {}

    def note(self, event: AttemptEnded, url: str) -> None:
        """Count one at the worker of that URL."""
        tally = self._tally((url, event.mode, event.outcome, event.error_code or ""))
        tally.durations.note(self._bounds, event.elapsed_secs)
        if event.attempt > 1:
            tally.again += 1

    def forget(self, url: str) -> None:
        """Name a worker that has left no more; what was counted stays in all sums."""
        for kind in [kind for kind in self._of if kind[0] == url]:
            left = self._of.pop(kind)
            kept = self._tally((GONE, *kind[1:]))
            kept.again += left.again
            kept.durations.add(left.durations)

    def _tally(self, kind: Kind) -> AttemptTally:
        tally = self._of.get(kind)
        if tally is None:
            tally = self._of[kind] = AttemptTally(self._bounds)
        return tally

    def families(self) -> Iterable[Collector]:
        """Return what Prometheus is shown."""
        return (
            Sums(
                "smg_worker_selection_total", "Times a worker was picked.", ("worker", "connection_mode"), self._picks
            ),
            Spreads(
                "smg_worker_attempt_duration_seconds",
                "Attempts at workers, from the pick to the end.",
                ("connection_mode", "outcome"),
                self._durations,
                bounds=self._bounds,
            ),
            Sums("smg_worker_retries_total", "Attempts after a request's first.", (), self._retries),
            Sums("smg_worker_errors_total", "Attempts that failed.", ("connection_mode", "error_type"), self._failures),
        )

    def _picks(self) -> Iterator[tuple[Labels, float]]:
        for (url, mode, _, _), tally in self._of.items():
            if url != GONE:
                yield (url, MODES[mode]), sum(tally.durations.counts)

    def _durations(self) -> Iterator[tuple[Labels, Spread]]:
        for (_, mode, outcome, _), tally in self._of.items():
            yield (MODES[mode], outcome.value), tally.durations

    def _retries(self) -> Iterator[tuple[Labels, float]]:
        yield (), sum(tally.again for tally in self._of.values())

    def _failures(self) -> Iterator[tuple[Labels, float]]:
        for (_, mode, outcome, code), tally in self._of.items():
            if outcome is Outcome.FAILED:
                yield (MODES[mode], code), sum(tally.durations.counts)
