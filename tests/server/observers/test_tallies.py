"""Tests of smg.server.observers.tallies, beside the client library's own counters and histograms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from smg.server.observers.tallies import Counts, Spread, Spreads, Sums

BOUNDS = [0.125, 0.5, 2.5, float("inf")]
SERIES = st.tuples(st.sampled_from(["a", 'b"\n', "c\\"]), st.sampled_from(["x", ""]))
SECS = st.sampled_from([0.0, 0.0625, 0.125, 0.25, 0.5, 2.5, 4.0])


def page(*collectors) -> list[str]:
    """Return the lines that Prometheus is shown, but for the times of creation, which nobody reads."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return sorted(line for line in generate_latest(registry).decode().split("\n") if "_created" not in line)


@given(st.lists(SERIES))
def test_counts_show_as_the_librarys_do(happened):
    """Line for line, whatever the labels hold."""
    ours, theirs = (
        Counts("n_total", "About n.", ("one", "two")),
        Counter("n_total", "About n.", ("one", "two"), registry=None),
    )
    for series in happened:
        ours.of[series] += 1
        theirs.labels(*series).inc()

    assert page(ours) == page(theirs)


@given(st.lists(st.tuples(SERIES, st.integers(1, 3))))
def test_sums_show_as_the_librarys_counters_do(happened):
    """Parts of one series are one."""
    ours = Sums("n_total", "About n.", ("one", "two"), lambda: happened)
    theirs = Counter("n_total", "About n.", ("one", "two"), registry=None)
    for series, count in happened:
        theirs.labels(*series).inc(count)

    assert page(ours) == page(theirs)


@given(st.lists(st.tuples(SERIES, st.lists(SECS, min_size=1))))
def test_spreads_show_as_the_librarys_histograms_do(happened):
    """Buckets, counts and sums; a time equal to a bound is within it, and parts of one series are one."""
    parts = [(series, Spread(BOUNDS)) for series, _ in happened]
    ours = Spreads("t_seconds", "About t.", ("one", "two"), lambda: parts, bounds=BOUNDS)
    theirs = Histogram("t_seconds", "About t.", ("one", "two"), buckets=BOUNDS, registry=None)
    for (series, times), (_, spread) in zip(happened, parts, strict=True):
        for secs in times:
            spread.note(BOUNDS, secs)
            theirs.labels(*series).observe(secs)

    assert page(ours) == page(theirs)


def test_known_series_show_at_once_and_others_can_be_dropped():
    """A series of nothing yet is 0; what is gone does not stay."""
    counts = Counts("n_total", "About n.", ("worker", "to"), [("w1", "open")])
    counts.of["w2", "open"] += 2

    assert 'n_total{to="open",worker="w1"} 0.0' in page(counts)
    counts.forget("worker", "w2")
    assert not [line for line in page(counts) if "w2" in line]
