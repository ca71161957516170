"""Counts and times that become Prometheus's families when somebody asks.

The client library's own counters take a lock and several calls for every increment; a request makes thirteen. So what
happens with every request is counted once, by all that is told of it, and each family is a sum over that.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

Labels: TypeAlias = tuple[str, ...]
"""The values of a series' labels, in the order of their names."""

T = TypeVar("T")
Parts: TypeAlias = "Callable[[], Iterable[tuple[Labels, T]]]"
"""What a family is added up from, as it is now: of each part the series it belongs to."""


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


class Spread:
    """How long something took.

    Attributes:
        counts: How often, for each bound: no longer than it, and longer than the one before.
        secs: In all.
    """

    __slots__ = ("counts", "secs")

    def __init__(self, bounds: list[float]) -> None:
        self.counts = [0] * len(bounds)
        self.secs = 0.0

    def note(self, bounds: list[float], secs: float) -> None:
        """Count one; ``bounds`` rise, and the last is infinite."""
        place = 0
        for bound in bounds:  # compiled, quicker than a call to ``bisect``; and most times are short
            if secs <= bound:
                break
            place += 1
        self.counts[place] += 1
        self.secs += secs

    def add(self, other: Spread) -> None:
        """Count all that ``other`` has."""
        self.counts = [own + others for own, others in zip(self.counts, other.counts, strict=True)]
        self.secs += other.secs


class Sums(Collector):
    """A counter that is added up from finer ones when somebody asks."""

    def __init__(self, name: str, documentation: str, labels: Labels, parts: Parts[float]) -> None:
        """Add up ``parts``, each of which names its series."""
        self._words = (name, documentation, labels)
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Name the family without its series."""
        return [CounterMetricFamily(*self._words[:2], labels=self._words[2])]

    @override
    def collect(self) -> Iterator[Metric]:
        sums: dict[Labels, float] = {}
        for series, part in self._parts():
            sums[series] = sums.get(series, 0.0) + part
        family = CounterMetricFamily(*self._words[:2], labels=self._words[2])
        for series, total in sums.items():
            family.add_metric(series, total)
        yield family


class Spreads(Collector):
    """A histogram of times, in seconds, that is added up from finer ones when somebody asks."""

    def __init__(
        self, name: str, documentation: str, labels: Labels, parts: Parts[Spread], *, bounds: list[float]
    ) -> None:
        """Add up ``parts``, each of which names its series; ``bounds`` are theirs."""
        self._words = (name, documentation, labels)
        self._bounds = bounds
        self._names = [str(floatToGoString(bound)) for bound in bounds]  # type: ignore[no-untyped-call]  # theirs
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Name the family without its series."""
        return [HistogramMetricFamily(*self._words[:2], labels=self._words[2])]

    @override
    def collect(self) -> Iterator[Metric]:
        sums: dict[Labels, Spread] = {}
        for series, part in self._parts():
            sums.setdefault(series, Spread(self._bounds)).add(part)
        family = HistogramMetricFamily(*self._words[:2], labels=self._words[2])
        for series, total in sums.items():
            family.add_metric(series, list(zip(self._names, accumulate(total.counts), strict=True)), total.secs)
        yield family
