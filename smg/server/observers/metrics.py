"""Prometheus metrics, by the names the field's dashboards know.

Label values come from bounded sets: route templates, statuses, error codes and our own enumerations. Models and
workers are bounded by what is registered; what callers make up never becomes a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from smg.core.events import AttemptEnded, BreakerMoved, ProbeEnded, RequestFinished, WorkerLifeChanged, WorkerRemoved
from smg.core.observers import Observer
from smg.core.words import LifeState
from smg.resilience.breaker import BreakerState
from smg.server.observers.attempt_tallies import MODES, UNKNOWN, AttemptTallies
from smg.server.observers.request_tallies import OTHER, RequestTallies
from smg.server.observers.tallies import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client.core import Metric

    from smg.core.events import Event
    from smg.workers.fleet import Fleet

PROBED: Final = {True: ("success",), False: ("failure",)}
BREAKER_VALUES: Final = {BreakerState.CLOSED: 0, BreakerState.OPEN: 1, BreakerState.HALF_OPEN: 2}


class MetricsObserver(Observer):
    """Counts events; ``render`` is what Prometheus reads."""

    def __init__(
        self,
        buckets: Sequence[float],
        fleet: Callable[[], Fleet],
        connections: Callable[[], int],
        body_bytes: Callable[[], int],
    ) -> None:
        self._registry = CollectorRegistry()
        self._fleet = fleet
        bounds = [*buckets, float("inf")]
        self._requests, self._attempts = RequestTallies(bounds), AttemptTallies(bounds)
        for tally in (*self._requests.families(), *self._attempts.families(), *self._of_workers()):
            self._registry.register(tally)
        open_now = Gauge("smg_http_connections_active", "Open connections of callers.", registry=self._registry)
        open_now.set_function(connections)
        held = Gauge("smg_http_request_body_bytes", "Request bodies held in memory.", registry=self._registry)
        held.set_function(body_bytes)
        self._registry.register(FleetCollector(fleet))

    def _of_workers(self) -> Iterable[Collector]:
        self._probes = Counts("smg_worker_health_checks_total", "Health probes.", ("result",), PROBED.values())
        self._moves = Counts("smg_worker_state_changes_total", "Changes of a worker's state.", ("from", "to"))
        self._breaker_moves = Counts(
            "smg_worker_cb_transitions_total", "Changes of a worker's circuit breaker.", ("worker", "from", "to")
        )
        return self._probes, self._moves, self._breaker_moves

    @override
    def notify(self, event: Event) -> None:
        """Count ``event``."""
        match event:
            case RequestFinished():
                self._requests.note(event, self._known(event.trail.model))
            case AttemptEnded():
                worker = self._fleet().workers.get(event.worker_id)
                self._attempts.note(event, worker.url if worker else UNKNOWN)
            case ProbeEnded(_, healthy, _):
                self._probes.of[PROBED[healthy]] += 1
            case WorkerLifeChanged(_, _, old, new, _):
                self._moves.of[old.value, new.value] += 1
            case BreakerMoved(_, url, old, new):
                self._breaker_moves.of[url, old, new] += 1
            case WorkerRemoved(_, url):
                self._breaker_moves.forget("worker", url)
                self._attempts.forget(url)
            case _:
                pass

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        return self._registry.collect()

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _known(self, model: str | None) -> str | None:
        """Return a model's name if it is served: what callers make up counts as one."""
        return model if model is None or model in self._fleet().names else OTHER


class FleetCollector(Collector):
    """Reads the fleet when Prometheus asks, so that gauges need no upkeep and leave with their worker."""

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        self._fleet = fleet

    def describe(self) -> Iterable[Metric]:
        """Name the gauges without reading the fleet."""
        return self._families()

    @override
    def collect(self) -> Iterable[Metric]:
        families = health, active, tokens, breaker, pool, panic = self._families()
        sizes: dict[tuple[str, str], int] = {}
        fleet = self._fleet()
        for model, worker_type in fleet.panics:
            panic.add_metric([model, worker_type.value], 1)
        for worker in fleet.workers.values():
            health.add_metric([worker.url], worker.life.state is LifeState.READY)
            active.add_metric([worker.url], worker.in_flight)
            tokens.add_metric([worker.url], worker.tokens_in_flight)
            breaker.add_metric([worker.url], BREAKER_VALUES[worker.breaker.state])
            kind = (worker.worker_type.value, MODES[worker.connection_mode])
            sizes[kind] = sizes.get(kind, 0) + 1
        for labels, size in sizes.items():
            pool.add_metric(labels, size)
        return families

    def _families(self) -> tuple[GaugeMetricFamily, ...]:
        return (
            GaugeMetricFamily("smg_worker_health", "1 while the worker takes requests.", labels=["worker"]),
            GaugeMetricFamily("smg_worker_requests_active", "Requests in flight.", labels=["worker"]),
            GaugeMetricFamily("smg_worker_tokens_active", "Their estimated prompt tokens.", labels=["worker"]),
            GaugeMetricFamily(
                "smg_worker_cb_state", "Circuit breaker: 0 closed, 1 open, 2 half-open.", labels=["worker"]
            ),
            GaugeMetricFamily("smg_worker_pool_size", "Registered workers.", labels=["worker_type", "connection_mode"]),
            GaugeMetricFamily(
                "smg_worker_panic",
                "1 while so few of a model's workers are ready that health is ignored.",
                labels=["model", "worker_type"],
            ),
        )
