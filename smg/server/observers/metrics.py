"""Prometheus metrics, by the names the field's dashboards know.

Label values come from bounded sets: route templates, statuses, error codes and our own enumerations. Models and
workers are bounded by what is registered; what callers make up never becomes a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from smg.core.events import AttemptEnded, BreakerMoved, ProbeEnded, RequestFinished, WorkerLifeChanged, WorkerRemoved
from smg.core.words import ConnectionMode, LifeState, Outcome
from smg.resilience.breaker import BreakerState
from smg.server.observers.tallies import Counts, Timings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client.core import Metric

    from smg.core.events import Event
    from smg.workers.fleet import Fleet

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
UNKNOWN = "unknown"
PROBED = {True: ("success",), False: ("failure",)}
MODES: dict[ConnectionMode | None, str] = {None: UNKNOWN, **{mode: mode.value for mode in ConnectionMode}}
OUTCOMES = {outcome: outcome.value for outcome in Outcome}
"""By look-up, since Enum's own ``value`` is two calls in Python."""
BREAKER_VALUES = {BreakerState.CLOSED: 0, BreakerState.OPEN: 1, BreakerState.HALF_OPEN: 2}


class MetricsObserver:
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
        for tally in (*self._of_requests(buckets), *self._of_inference(buckets), *self._of_workers(buckets)):
            self._registry.register(tally)
        open_now = Gauge("smg_http_connections_active", "Open connections of callers.", registry=self._registry)
        open_now.set_function(connections)
        held = Gauge("smg_http_request_body_bytes", "Request bodies held in memory.", registry=self._registry)
        held.set_function(body_bytes)
        self._registry.register(FleetCollector(fleet))

    def _of_requests(self, buckets: Sequence[float]) -> Iterable[Collector]:
        self._requests = Counts("smg_http_requests_total", "Requests answered.", ("method", "path"))
        self._durations = Timings(
            "smg_http_request_duration_seconds",
            "From a request's head to its answer's last byte.",
            ("method", "path"),
            buckets,
        )
        self._responses = Counts(
            "smg_http_responses_total", "Answers by outcome.", ("path", "status_code", "error_code")
        )
        return self._requests, self._durations, self._responses

    def _of_inference(self, buckets: Sequence[float]) -> Iterable[Collector]:
        self._routed = Counts("smg_router_requests_total", "Inference requests.", ("model", "endpoint", "streaming"))
        self._first_bytes = Timings(
            "smg_router_ttft_seconds", "From a request's head to its answer's head.", ("model", "endpoint"), buckets
        )
        self._tokens = Counts("smg_router_tokens_total", "Tokens counted.", ("model", "endpoint", "token_type"))
        return self._routed, self._first_bytes, self._tokens

    def _of_workers(self, buckets: Sequence[float]) -> Iterable[Collector]:
        self._selected = Counts(
            "smg_worker_selection_total", "Times a worker was picked.", ("worker", "connection_mode")
        )
        self._attempts = Timings(
            "smg_worker_attempt_duration_seconds",
            "Attempts at workers, from the pick to the end.",
            ("connection_mode", "outcome"),
            buckets,
        )
        self._retries = Counts("smg_worker_retries_total", "Attempts after a request's first.", (), [()])
        self._failures = Counts("smg_worker_errors_total", "Attempts that failed.", ("connection_mode", "error_type"))
        self._probes = Counts("smg_worker_health_checks_total", "Health probes.", ("result",), PROBED.values())
        self._moves = Counts("smg_worker_state_changes_total", "Changes of a worker's state.", ("from", "to"))
        self._breaker_moves = Counts(
            "smg_worker_cb_transitions_total", "Changes of a worker's circuit breaker.", ("worker", "from", "to")
        )
        workers = (self._selected, self._attempts, self._retries, self._failures)
        return *workers, self._probes, self._moves, self._breaker_moves

    def notify(self, event: Event) -> None:
        """Count ``event``."""
        match event:
            case RequestFinished():
                self._finished(event)
            case AttemptEnded():
                self._attempted(event)
            case ProbeEnded(_, healthy, _):
                self._probes.of[PROBED[healthy]] += 1
            case WorkerLifeChanged(_, _, old, new, _):
                self._moves.of[old.value, new.value] += 1
            case BreakerMoved(_, url, old, new):
                self._breaker_moves.of[url, old, new] += 1
            case WorkerRemoved(_, url):
                self._forget(url)
            case _:
                pass

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        return self._registry.collect()

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _finished(self, event: RequestFinished) -> None:
        method = event.method if event.method in METHODS else OTHER
        self._requests.of[method, event.route] += 1
        self._durations.observe((method, event.route), event.duration_secs)
        self._responses.of[event.route, str(event.status), event.error_code or ""] += 1
        if event.model is not None:
            self._inferred(event, event.model if event.model in self._fleet().names else OTHER)

    def _inferred(self, event: RequestFinished, model: str) -> None:
        self._routed.of[model, event.route, "true" if event.streaming else "false"] += 1
        if event.first_byte_secs is not None and event.error_code is None:
            self._first_bytes.observe((model, event.route), event.first_byte_secs)
        if event.prompt_tokens:
            self._tokens.of[model, event.route, "input"] += event.prompt_tokens
        if event.completion_tokens:
            self._tokens.of[model, event.route, "output"] += event.completion_tokens

    def _attempted(self, event: AttemptEnded) -> None:
        mode = MODES[event.mode]
        worker = self._fleet().workers.get(event.worker_id)
        self._selected.of[worker.url if worker else UNKNOWN, mode] += 1
        self._attempts.observe((mode, OUTCOMES[event.outcome]), event.elapsed_secs)
        if event.attempt > 1:
            self._retries.of[()] += 1
        if event.outcome is Outcome.FAILED:
            self._failures.of[mode, event.error_code or ""] += 1

    def _forget(self, url: str) -> None:
        """Let go of the series of a worker that has left."""
        self._breaker_moves.forget("worker", url)
        self._selected.forget("worker", url)


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
