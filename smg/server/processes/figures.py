"""The metrics of all processes as one: what counts is added up, for good; what is now is put together by its meaning.

Theory: a process tells all its series each second, and when somebody looks. A series that only grows and that a process
no longer has, because it died or dropped it with a worker, is kept at its last value: sums never fall. What is kept of
a worker goes when no process knows the worker any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
from prometheus_client import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from smg.server.observers.attempt_tallies import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.samples import Sample

Series: TypeAlias = "tuple[str, tuple[tuple[str, str], ...]]"
"""A sample's name and its labels."""

HEALTH = "smg_worker_health"
WORKER = "worker"
GAUGE = "gauge"
BREAKER_ORDER = (0.0, 2.0, 1.0)
"""From trusted over half-open to open."""


def _worst(states: Iterable[float]) -> float:
    return max(states, key=BREAKER_ORDER.index)


MEANINGS: dict[str, Callable[[list[float]], float]] = {
    HEALTH: min,
    "smg_worker_cb_state": _worst,
    "smg_worker_pool_size": max,
    "smg_worker_panic": max,
}
"""How the gauges that are no amounts are put together: by the worst of them, or, where all should agree, the most."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """All series of one metric, as they travel.

    Attributes:
        kind: ``counter``, ``histogram`` or ``gauge``.
        samples: Name, labels and value of each.
    """

    name: str
    documentation: str
    kind: str
    samples: tuple[tuple[str, dict[str, str], float], ...]


def families(metrics: Iterable[Metric]) -> tuple[Family, ...]:
    """Return metrics as they travel."""
    return tuple(
        Family(metric.name, metric.documentation, metric.type, tuple(map(_told, metric.samples))) for metric in metrics
    )


class Figures(Collector):
    """The figures of all processes, those that are gone included."""

    def __init__(self, workers: Callable[[], Iterable[str]]) -> None:
        self._workers = workers
        self._told: dict[int, dict[Series, float]] = {}
        self._kept: dict[Series, float] = {}
        self._families: dict[str, Family] = {}
        self._family_of: dict[str, str] = {}

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: what there is, the processes tell."""
        return ()

    def take(self, number: int, told: Iterable[Family]) -> None:
        """Take what process ``number`` tells now."""
        now: dict[Series, float] = {}
        for family in told:
            self._families[family.name] = family
            for name, labels, value in family.samples:
                self._family_of[name] = family.name
                now[name, tuple(labels.items())] = value
        self._keep(self._told.get(number, {}), now)
        self._told[number] = now

    def gone(self, number: int) -> None:
        """Keep what process ``number`` has counted; it tells no more."""
        self._keep(self._told.pop(number, {}), {})

    def healthy(self) -> frozenset[str]:
        """Return the URLs of the workers that some process gives requests to."""
        told = (entry for told in self._told.values() for entry in told.items())
        return frozenset(_worker(series) or "" for series, value in told if series[0] == HEALTH and value)

    @override
    def collect(self) -> Iterator[Metric]:
        self._forget()
        found: dict[Series, list[float]] = {series: [value] for series, value in self._kept.items()}
        for told in self._told.values():
            for series, value in told.items():
                found.setdefault(series, []).append(value)
        metrics = {name: Metric(name, family.documentation, family.kind) for name, family in self._families.items()}
        for (name, labels), values in found.items():
            family = self._family_of[name]
            metrics[family].add_sample(name, dict(labels), MEANINGS.get(family, sum)(values))
        yield from metrics.values()

    def _keep(self, before: dict[Series, float], now: dict[Series, float]) -> None:
        for series, value in before.items():
            if series not in now and self._families[self._family_of[series[0]]].kind != GAUGE:
                self._kept[series] = self._kept.get(series, 0.0) + value

    def _forget(self) -> None:
        """Drop what is kept of workers that nobody knows any more."""
        told = {_worker(series) for told in self._told.values() for series in told}
        known = {None, UNKNOWN, *self._workers(), *told}
        for series in [series for series in self._kept if _worker(series) not in known]:
            del self._kept[series]


def _told(sample: Sample) -> tuple[str, dict[str, str], float]:
    return sample.name, sample.labels, float(sample.value)


def _worker(series: Series) -> str | None:
    return dict(series[1]).get(WORKER)
