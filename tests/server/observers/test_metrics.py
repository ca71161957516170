from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from smg.core.events import AttemptEnded, ProbeEnded, RequestFinished, WorkerRemoved
from smg.core.request import Trail
from smg.core.words import ConnectionMode, Outcome, WorkerId, WorkerType
from smg.server.observers.metrics import MetricsObserver
from smg.workers.fleet import Fleet
from tests.workers.support import grpc_worker

WORKER = WorkerId("w1")


def _finished(method: Any = "POST", model: Any = "m", status: Any = 200, code: Any = None) -> Any:
    trail = Trail()
    trail.route, trail.status, trail.error_code, trail.model = "/v1/completions", status, code, model
    trail.streaming, trail.worker_id, trail.attempts = True, WORKER, 1
    trail.prompt_tokens, trail.completion_tokens = 5, 9
    return RequestFinished("r1", method, trail, 0.2, 0.4)


def _attempt(number: Any = 1, outcome: Any = Outcome.SUCCEEDED, code: Any = None) -> Any:
    return AttemptEnded("r1", WORKER, ConnectionMode.GRPC, number, outcome, code, 0.1)


def _samples(observer: Any) -> Any:
    families = text_string_to_metric_families(observer.render().decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def _observer() -> Any:
    return MetricsObserver((0.1, 1.0), lambda: Fleet({WORKER: grpc_worker("grpc://a:1")}), lambda: 3, lambda: 77)


def test_requests_are_counted_by_method_path_and_outcome() -> None:
    """Requests, durations and answers stand under the known names."""
    observer = _observer()

    observer.notify(_finished())
    observer.notify(_finished(status=503, code="no_available_workers"))

    samples = _samples(observer)
    assert samples["smg_http_requests_total", "POST", "/v1/completions"] == 2
    assert samples["smg_http_request_duration_seconds_bucket", "0.1", "POST", "/v1/completions"] == 0
    assert samples["smg_http_request_duration_seconds_sum", "POST", "/v1/completions"] == 0.8
    assert samples["smg_http_responses_total", "no_available_workers", "/v1/completions", "503"] == 1


def test_made_up_names_never_become_labels() -> None:
    """An unknown model or method counts as other."""
    observer = _observer()

    for number in range(50):
        observer.notify(_finished(method=f"M{number}", model=f"made-up-{number}"))

    samples = _samples(observer)
    assert samples["smg_http_requests_total", "other", "/v1/completions"] == 50
    assert samples["smg_router_requests_total", "/v1/completions", "other", "true"] == 50
    assert samples["smg_router_tokens_total", "/v1/completions", "other", "output"] == 450


def test_attempts_tell_picks_retries_and_failures() -> None:
    """Each attempt counts as a pick, the later ones as retries, the failed ones by their code."""
    observer = _observer()
    observer.notify(_attempt(outcome=Outcome.FAILED, code="upstream_timeout"))
    observer.notify(_attempt(number=2))

    samples = _samples(observer)
    assert samples["smg_worker_selection_total", "grpc", "grpc://a:1"] == 2
    assert samples[("smg_worker_retries_total",)] == 1
    assert samples["smg_worker_errors_total", "grpc", "upstream_timeout"] == 1


def test_series_of_a_removed_worker_are_dropped() -> None:
    """What is gone does not stay on the page; sums over all workers do not shrink."""
    observer = _observer()
    observer.notify(_attempt())

    observer.notify(WorkerRemoved(WORKER, "grpc://a:1"))

    samples = _samples(observer)
    assert not [key for key in samples if key[0] == "smg_worker_selection_total"]
    assert samples["smg_worker_attempt_duration_seconds_count", "grpc", "succeeded"] == 1


def test_probes_are_counted_by_result() -> None:
    """Good and bad probes have a series each, from the start."""
    observer = _observer()

    observer.notify(ProbeEnded(WORKER, False, 0.1))

    samples = _samples(observer)
    assert samples["smg_worker_health_checks_total", "failure"] == 1
    assert samples["smg_worker_health_checks_total", "success"] == 0


def test_what_the_listener_holds_is_read_when_asked() -> None:
    """The gauges are the listener's own counts."""
    assert _samples(_observer())[("smg_http_connections_active",)] == 3
    assert _samples(_observer())[("smg_http_request_body_bytes",)] == 77


def test_a_panic_shows_while_it_lasts() -> None:
    """A model in panic has a series of 1; one that is not has none."""
    panics = frozenset({("m", WorkerType.REGULAR)})
    fleets = [Fleet(panics=panics)]
    observer = MetricsObserver((0.1, 1.0), lambda: fleets[0], lambda: 0, lambda: 0)

    assert _samples(observer)["smg_worker_panic", "m", "regular"] == 1
    fleets[0] = Fleet()
    assert not [key for key in _samples(observer) if key[0] == "smg_worker_panic"]
