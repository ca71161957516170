"""Prometheus metrics, by the names the field's dashboards know.

Label values come from bounded sets: route templates, statuses, error codes and our own enumerations. Models and
workers are bounded by what is registered; what callers make up never becomes a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from smg.core.events import AttemptEnded, BreakerMoved, ProbeEnded, RequestFinished, WorkerLifeChanged, WorkerRemoved
from smg.core.words import LifeState, Outcome
from smg.resilience.breaker import BreakerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client.core import Metric

    from smg.core.events import Event
    from smg.workers.fleet import Fleet

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
K = TypeVar("K", bound=tuple[Any, ...])
V = TypeVar("V")

OTHER = "other"
UNKNOWN = "unknown"
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
        disable_created_metrics()  # type: ignore[no-untyped-call]  # else each series has a second, unread
        self._registry = CollectorRegistry()
        self._fleet = fleet
        self._answered: Series[tuple[str, str, int, str], tuple[Counter, Histogram, Counter]]
        self._answered = Series(self._answer_series)
        self._served: Series[tuple[str, str, bool], tuple[Counter, Histogram]] = Series(self._serving_series)
        self._tried: Series[tuple[str, str, Outcome], tuple[Counter, Histogram]] = Series(self._attempt_series)
        self._count_requests(self._registry, buckets)
        self._count_inference(self._registry, buckets)
        self._count_attempts(self._registry, buckets)
        open_now = Gauge("smg_http_connections_active", "Open connections of callers.", registry=self._registry)
        open_now.set_function(connections)
        held = Gauge("smg_http_request_body_bytes", "Request bodies held in memory.", registry=self._registry)
        held.set_function(body_bytes)
        self._registry.register(FleetCollector(fleet))

    def _count_requests(self, registry: CollectorRegistry, buckets: Sequence[float]) -> None:
        self._requests = Counter("smg_http_requests_total", "Requests answered.", ("method", "path"), registry=registry)
        self._durations = Histogram(
            "smg_http_request_duration_seconds",
            "From a request's head to its answer's last byte.",
            ("method", "path"),
            buckets=buckets,
            registry=registry,
        )
        self._responses = Counter(
            "smg_http_responses_total", "Answers by outcome.", ("path", "status_code", "error_code"), registry=registry
        )

    def _count_inference(self, registry: CollectorRegistry, buckets: Sequence[float]) -> None:
        self._routed = Counter(
            "smg_router_requests_total", "Inference requests.", ("model", "endpoint", "streaming"), registry=registry
        )
        self._first_bytes = Histogram(
            "smg_router_ttft_seconds",
            "From a request's head to its answer's head.",
            ("model", "endpoint"),
            buckets=buckets,
            registry=registry,
        )
        self._tokens = Counter(
            "smg_router_tokens_total", "Tokens counted.", ("model", "endpoint", "token_type"), registry=registry
        )

    def _count_attempts(self, registry: CollectorRegistry, buckets: Sequence[float]) -> None:
        self._selected = Counter(
            "smg_worker_selection_total", "Times a worker was picked.", ("worker", "connection_mode"), registry=registry
        )
        self._attempts = Histogram(
            "smg_worker_attempt_duration_seconds",
            "Attempts at workers, from the pick to the end.",
            ("connection_mode", "outcome"),
            buckets=buckets,
            registry=registry,
        )
        self._retries = Counter("smg_worker_retries_total", "Attempts after a request's first.", registry=registry)
        self._failures = Counter(
            "smg_worker_errors_total", "Attempts that failed.", ("connection_mode", "error_type"), registry=registry
        )
        self._probes = Counter("smg_worker_health_checks_total", "Health probes.", ("result",), registry=registry)
        self._probe_results = {good: self._probes.labels(_result(good)) for good in (True, False)}
        self._moves = Counter(
            "smg_worker_state_changes_total", "Changes of a worker's state.", ("from", "to"), registry=registry
        )
        self._breaker_moves = Counter(
            "smg_worker_cb_transitions_total",
            "Changes of a worker's circuit breaker.",
            ("worker", "from", "to"),
            registry=registry,
        )

    def notify(self, event: Event) -> None:
        """Count ``event``."""
        match event:
            case RequestFinished():
                self._finished(event)
            case AttemptEnded():
                self._attempted(event)
            case ProbeEnded(_, healthy, _):
                self._probe_results[healthy].inc()
            case WorkerLifeChanged(_, _, old, new, _):
                self._moves.labels(old.value, new.value).inc()
            case BreakerMoved(_, url, old, new):
                self._breaker_moves.labels(url, old, new).inc()
            case WorkerRemoved(_, url):
                self._forget(url)
            case _:
                pass

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _finished(self, event: RequestFinished) -> None:
        method = event.method if event.method in METHODS else OTHER
        requests, durations, responses = self._answered[method, event.route, event.status, event.error_code or ""]
        requests.inc()
        durations.observe(event.duration_secs)
        responses.inc()
        if event.model is not None:
            self._inferred(event, event.model if event.model in self._fleet().names else OTHER)

    def _inferred(self, event: RequestFinished, model: str) -> None:
        routed, first_bytes = self._served[model, event.route, event.streaming]
        routed.inc()
        if event.first_byte_secs is not None and event.error_code is None:
            first_bytes.observe(event.first_byte_secs)
        for kind, count in (("input", event.prompt_tokens), ("output", event.completion_tokens)):
            if count:
                self._tokens.labels(model, event.route, kind).inc(count)

    def _attempted(self, event: AttemptEnded) -> None:
        mode = event.mode.value if event.mode else UNKNOWN
        worker = self._fleet().workers.get(event.worker_id)
        selected, attempts = self._tried[worker.url if worker else UNKNOWN, mode, event.outcome]
        selected.inc()
        attempts.observe(event.elapsed_secs)
        if event.attempt > 1:
            self._retries.inc()
        if event.outcome is Outcome.FAILED:
            self._failures.labels(mode, event.error_code or "").inc()

    def _forget(self, url: str) -> None:
        """Let go of the series of a worker that has left."""
        self._breaker_moves.remove_by_labels({"worker": url})
        self._selected.remove_by_labels({"worker": url})
        self._tried.clear()

    def _answer_series(self, method: str, route: str, status: int, code: str) -> tuple[Counter, Histogram, Counter]:
        return (
            self._requests.labels(method, route),
            self._durations.labels(method, route),
            self._responses.labels(route, str(status), code),
        )

    def _serving_series(self, model: str, route: str, streaming: bool) -> tuple[Counter, Histogram]:  # noqa: FBT001
        streamed = "true" if streaming else "false"
        return self._routed.labels(model, route, streamed), self._first_bytes.labels(model, route)

    def _attempt_series(self, worker: str, mode: str, outcome: Outcome) -> tuple[Counter, Histogram]:
        return self._selected.labels(worker, mode), self._attempts.labels(mode, outcome.value)


class Series(dict[K, V]):
    """The series of each kind of event, bound the first time it comes: looking up labels takes a lock each."""

    def __init__(self, bind: Callable[..., V]) -> None:
        super().__init__()
        self._bind = bind

    def __missing__(self, kind: K) -> V:
        bound = self[kind] = self._bind(*kind)
        return bound


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
            mode = worker.connection_mode
            kind = (worker.worker_type.value, mode.value if mode else UNKNOWN)
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


def _result(healthy: bool) -> str:  # noqa: FBT001  (a dictionary's key)
    return "success" if healthy else "failure"
