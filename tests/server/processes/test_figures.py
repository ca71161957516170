"""The metrics of all processes as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from smg.server.processes.figures import Figures, families


class Counting:
    """One process's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.asked = Counter("smg_asked_total", "Asked.", ("path",), registry=self.registry)
        self.picked = Counter("smg_picked_total", "Picked.", ("worker",), registry=self.registry)
        self.took = Histogram("smg_took_seconds", "Took.", ("path",), buckets=(1.0, 2.0), registry=self.registry)
        self.open = Gauge("smg_open", "Open.", registry=self.registry)
        self.health = Gauge("smg_worker_health", "Well.", ("worker",), registry=self.registry)

    def told(self):
        """Return what it tells."""
        return families(self.registry.collect())


def sums(figures, name):
    """Return the values of a sample by the values of its labels."""
    samples = [sample for metric in figures.collect() for sample in metric.samples if sample.name == name]
    return {tuple(sample.labels.values()): sample.value for sample in samples}


def test_one_process_reads_as_itself():
    """The page of one process's figures is its own page."""
    process, figures = Counting(), Figures(tuple)
    process.asked.labels("/a").inc(2)
    process.took.labels("/a").observe(1.5)
    process.open.set(3)
    figures.take(1, process.told())
    page = CollectorRegistry()
    page.register(figures)

    assert generate_latest(page) == generate_latest(process.registry)


def test_counts_and_histograms_are_added_up():
    """Each series is the sum of its own, whoever has it."""
    one, two, figures = Counting(), Counting(), Figures(tuple)
    one.asked.labels("/a").inc(2)
    two.asked.labels("/a").inc(3)
    two.asked.labels("/b").inc()
    for process, secs in ((one, 0.5), (two, 1.5), (two, 9.0)):
        process.took.labels("/a").observe(secs)
    figures.take(1, one.told())
    figures.take(2, two.told())

    assert sums(figures, "smg_asked_total") == {("/a",): 5, ("/b",): 1}
    assert sums(figures, "smg_took_seconds_bucket") == {("/a", "1.0"): 1, ("/a", "2.0"): 2, ("/a", "+Inf"): 3}
    assert sums(figures, "smg_took_seconds_sum") == {("/a",): 11.0}


@pytest.mark.parametrize(
    ("name", "values", "together"),
    [
        ("smg_worker_requests_active", (2, 3), 5),
        ("smg_worker_health", (1, 0), 0),
        ("smg_worker_health", (1, 1), 1),
        ("smg_worker_cb_state", (0, 2), 2),
        ("smg_worker_cb_state", (1, 2), 1),
        ("smg_worker_pool_size", (4, 4), 4),
        ("smg_worker_panic", (0, 1), 1),
    ],
)
def test_what_is_now_is_put_together_by_its_meaning(name, values, together):
    """Amounts are added up; of health and breakers the worst counts; what all agree on is told once."""
    figures = Figures(tuple)
    for number, value in enumerate(values):
        registry = CollectorRegistry()
        Gauge(name, "It.", ("worker",), registry=registry).labels("w").set(value)
        figures.take(number, families(registry.collect()))

    assert sums(figures, name) == {("w",): together}


def test_a_process_that_is_gone_leaves_what_it_counted():
    """Its counts stay in the sums, also once another has its number; its gauges go with it."""
    one, figures = Counting(), Figures(tuple)
    one.asked.labels("/a").inc(2)
    one.open.set(7)
    figures.take(1, one.told())
    figures.gone(1)
    assert sums(figures, "smg_asked_total") == {("/a",): 2}
    assert sums(figures, "smg_open") == {}
    successor = Counting()
    successor.asked.labels("/a").inc(1)
    figures.take(1, successor.told())

    assert sums(figures, "smg_asked_total") == {("/a",): 3}


def test_a_series_that_one_drops_stays_while_others_know_its_worker():
    """A worker leaves one process after the other: its sums do not fall before the last has dropped them."""
    one, two, roster = Counting(), Counting(), {"w"}
    figures = Figures(lambda: roster)
    for number, process in ((1, one), (2, two)):
        process.picked.labels("w").inc(5)
        process.picked.labels("unknown").inc(1)
        figures.take(number, process.told())
    roster.clear()
    one.picked.remove("w")
    figures.take(1, one.told())
    figures.gone(1)
    assert sums(figures, "smg_picked_total") == {("w",): 10, ("unknown",): 2}
    two.picked.remove("w")
    figures.take(2, two.told())

    assert sums(figures, "smg_picked_total") == {("unknown",): 2}


def test_healthy_are_those_that_some_process_gives_requests_to():
    """What one process knows to be well, another may wait for."""
    one, two, figures = Counting(), Counting(), Figures(tuple)
    one.health.labels("a").set(1)
    one.health.labels("b").set(0)
    two.health.labels("c").set(1)
    figures.take(1, one.told())
    figures.take(2, two.told())

    assert figures.healthy() == {"a", "c"}


STEP = st.one_of(st.tuples(st.sampled_from(("count", "tell", "die")), st.integers(1, 3)), st.just(("look", 0)))


@given(st.lists(STEP, max_size=60))
def test_sums_never_fall_and_miss_nothing_that_was_told(steps):
    """Whatever dies and whenever somebody looks, the sum is what has been told."""
    figures, seen = Figures(tuple), 0.0
    processes: dict[int, Counting] = {}
    told: dict[tuple[int, Counting], float] = {}
    for what, number in steps:
        if what == "count":
            processes.setdefault(number, Counting()).asked.labels("/a").inc()
        elif what == "tell" and number in processes:
            figures.take(number, processes[number].told())
            told[number, processes[number]] = processes[number].asked.labels("/a")._value.get()
        elif what == "die" and processes.pop(number, None):
            figures.gone(number)
        now = sums(figures, "smg_asked_total").get(("/a",), 0.0)
        assert now >= seen
        seen = now

    assert seen == sum(told.values())
