"""Counts and timings that cost a look-up each, and become Prometheus's families when somebody asks.

The client library's own counters take a lock and several calls for every increment; a request makes thirteen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

Labels: TypeAlias = tuple[str, ...]
"""The values of a series' labels, in the order of their names."""


class Counts(Collector):
    """How often something happened.

    Attributes:
        of: The count of each series; add to it. Series given as ``known`` are there from the start.
    """

    def __init__(self, name: str, documentation: str, labels: Labels, known: Iterable[Labels] = ()) -> None:
        self.of: defaultdict[Labels, float] = defaultdict(float, dict.fromkeys(known, 0.0))
        self._words = (name, documentation, labels)
        self._labels = labels

    def forget(self, label: str, value: str) -> None:
        """Drop every series with this value of a label."""
        place = self._labels.index(label)
        for series in [series for series in self.of if series[place] == value]:
            del self.of[series]

    def describe(self) -> Iterable[Metric]:
        """Name the family without its series."""
        return [self._family()]

    @override
    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for series, count in self.of.items():
            family.add_metric(series, count)
        yield family

    def _family(self) -> CounterMetricFamily:
        name, documentation, labels = self._words
        return CounterMetricFamily(name, documentation, labels=labels)


class Timings(Collector):
    """How long something took, in seconds."""

    def __init__(self, name: str, documentation: str, labels: Labels, bounds: Sequence[float]) -> None:
        """Tell times apart by ``bounds``, which rise; each is the longest time of its bucket."""
        self._words = (name, documentation, labels)
        self._bounds = (*bounds, float("inf"))
        self._names = [str(floatToGoString(bound)) for bound in self._bounds]  # type: ignore[no-untyped-call]  # theirs
        self._counts: defaultdict[Labels, list[int]] = defaultdict(lambda: [0] * len(self._bounds))
        self._sums: defaultdict[Labels, float] = defaultdict(float)

    def observe(self, series: Labels, secs: float) -> None:
        """Count one."""
        self._counts[series][bisect_left(self._bounds, secs)] += 1
        self._sums[series] += secs

    def describe(self) -> Iterable[Metric]:
        """Name the family without its series."""
        return [self._family()]

    @override
    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for series, counts in self._counts.items():
            family.add_metric(series, list(zip(self._names, accumulate(counts), strict=True)), self._sums[series])
        yield family

    def _family(self) -> HistogramMetricFamily:
        name, documentation, labels = self._words
        return HistogramMetricFamily(name, documentation, labels=labels)
