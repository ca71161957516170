"""The table of flags; argument parser, environment names, ``--help`` and documentation are made from it.

A flag's type, bounds and default are the schema's at its path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from smg.config.shape import bare, element, type_at, without_none
from smg.middleware.settings import CallerSettings
from smg.policies.table import POLICY_NAMES
from smg.workers.spec import WorkerSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.config.shape import Path


def _caller(text: str) -> dict[str, str]:
    name, sign, key = text.partition("=")
    if not sign:
        raise ValueError("expected NAME=KEY")
    return {"name": name, "api_key": key}


ENTRIES: dict[object, Callable[[str], Any]] = {WorkerSpec: lambda url: {"url": url}, CallerSettings: _caller}
"""How what has several settings in a file is spelt in one word."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of ``smg launch``.

    Attributes:
        name: With its two dashes.
        setting: Dotted path of the setting it gives.
        group: Heading in the help.
        metavar: What its value is called in the help; empty for a switch.
        aliases: Other spellings.
    """

    name: str
    setting: str
    group: str
    help: str
    metavar: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Path of the setting."""
        return tuple(self.setting.split("."))

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return "SMG_" + self.name.removeprefix("--").replace("-", "_").upper()

    @property
    def switch(self) -> bool:
        """Whether it stands alone and means true."""
        return bare(type_at(self.path)) is bool

    @property
    def several(self) -> bool:
        """Whether it takes a list."""
        return element(type_at(self.path)) is not None

    def value(self, text: str) -> Any:
        """Read one value, one element of a list for a flag that takes several.

        Raises:
            ValueError: It is not of the setting's type, or out of its bounds.
        """
        kind = without_none(type_at(self.path))
        kind = element(kind) or kind
        if kind in ENTRIES:
            return ENTRIES[kind](text)
        return msgspec.convert(text, kind, strict=False)


SERVER, METRICS, WORKERS = "listening", "metrics and logs", "workers"
HEALTH, RETRIES, BREAKER, LIMITS = "health of workers", "retries", "circuit breaker", "limits"
UPSTREAM, MODEL = "connections to workers", "model"

FLAGS = (
    Flag(
        "--worker-urls",
        "workers",
        WORKERS,
        "engines to put behind this endpoint: http://, https://, grpc:// or grpcs://; @RANK names a rank",
        "URL",
    ),
    Flag("--policy", "policy", WORKERS, f"how a worker is chosen: {', '.join(POLICY_NAMES)}", "NAME"),
    Flag(
        "--dp-aware",
        "worker_defaults.expand_ranks",
        WORKERS,
        "make one worker of each data-parallel rank that an engine reports",
    ),
    Flag("--host", "server.host", SERVER, "address to listen on", "ADDRESS"),
    Flag("--port", "server.port", SERVER, "port to listen on; 0 takes a free one", "PORT"),
    Flag("--processes", "server.processes", SERVER, "processes that serve, all on that port; best one a core", "N"),
    Flag("--tls-cert-path", "server.tls_cert_path", SERVER, "PEM certificate chain to serve https with", "FILE"),
    Flag("--tls-key-path", "server.tls_key_path", SERVER, "PEM private key of that certificate", "FILE"),
    Flag(
        "--tls-client-ca-path",
        "server.tls_client_ca_path",
        SERVER,
        "PEM authorities that vouch for callers, who then must show a certificate",
        "FILE",
    ),
    Flag(
        "--api-key",
        "server.api_key",
        SERVER,
        "key callers must show as a bearer token; also sent to the workers of --worker-urls. Better set by the "
        "environment, where other users of the machine do not see it",
        "KEY",
    ),
    Flag(
        "--callers",
        "callers",
        SERVER,
        "callers with keys of their own, which do not open administration. Better set by the environment or a file",
        "NAME=KEY",
    ),
    Flag("--max-payload-size", "server.max_payload_size", SERVER, "largest request body", "BYTES"),
    Flag(
        "--request-id-headers",
        "server.request_id_headers",
        SERVER,
        "request headers taken as the request's id, the first that is there",
        "NAME",
    ),
    Flag("--cors-allowed-origins", "server.cors_allowed_origins", SERVER, "origins browsers may call from", "ORIGIN"),
    Flag(
        "--shutdown-grace-period-secs",
        "server.shutdown_grace_period_secs",
        SERVER,
        "how long running requests may go on after SIGTERM",
        "SECS",
    ),
    Flag("--prometheus-host", "metrics.host", METRICS, "address to serve metrics on", "ADDRESS"),
    Flag("--prometheus-port", "metrics.port", METRICS, "port to serve metrics on; 0 takes a free one", "PORT"),
    Flag("--log-level", "log.level", METRICS, "least level logged: debug, info, warning (or warn), error", "LEVEL"),
    Flag("--log-json", "log.json", METRICS, "log JSON lines on a terminal too"),
    Flag(
        "--model-path",
        "model.model_path",
        MODEL,
        "model directory for gRPC workers that do not hand out a tokenizer themselves",
        "DIR",
        ("--model",),
    ),
    Flag("--tokenizer-path", "model.tokenizer_path", MODEL, "tokenizer to use instead of the model's", "PATH"),
    Flag("--chat-template", "model.chat_template", MODEL, "jinja2 chat template to use instead of the model's", "FILE"),
    Flag(
        "--request-timeout-secs",
        "worker_defaults.timeouts.total_secs",
        UPSTREAM,
        "longest time a worker may take for one whole answer",
        "SECS",
    ),
    Flag(
        "--upstream-ca-path", "worker_defaults.tls.ca_path", UPSTREAM, "PEM authorities that vouch for workers", "FILE"
    ),
    Flag("--upstream-cert-path", "worker_defaults.tls.cert_path", UPSTREAM, "PEM certificate shown to workers", "FILE"),
    Flag(
        "--upstream-key-path", "worker_defaults.tls.key_path", UPSTREAM, "PEM private key of that certificate", "FILE"
    ),
    Flag("--upstream-proxy", "worker_defaults.proxy.url", UPSTREAM, "forward proxy to workers", "URL"),
    Flag(
        "--no-fast-lane",
        "worker_defaults.pool.no_fast_lane",
        UPSTREAM,
        "speak to HTTP workers by aiohttp's client, to tell whether our own is at fault; costs three times as much",
    ),
    Flag(
        "--retry-max-retries", "worker_defaults.retry.max_retries", RETRIES, "attempts in all, the first included", "N"
    ),
    Flag(
        "--retry-initial-backoff-ms", "worker_defaults.retry.initial_backoff_ms", RETRIES, "first wait, at most", "MS"
    ),
    Flag("--retry-max-backoff-ms", "worker_defaults.retry.max_backoff_ms", RETRIES, "longest wait", "MS"),
    Flag(
        "--retry-backoff-multiplier", "worker_defaults.retry.backoff_multiplier", RETRIES, "growth of the wait", "TIMES"
    ),
    Flag(
        "--header-read-timeout-secs",
        "server.header_read_timeout_secs",
        LIMITS,
        "for the head of a caller's request to arrive",
        "SECS",
    ),
    Flag(
        "--max-concurrent-requests",
        "limits.concurrency.limit",
        LIMITS,
        "inference requests served at once; no limit if not given",
        "N",
    ),
    Flag("--queue-size", "limits.concurrency.queue_size", LIMITS, "requests that wait beyond those", "N"),
    Flag("--queue-timeout-secs", "limits.concurrency.queue_timeout_secs", LIMITS, "longest wait of one", "SECS"),
    Flag(
        "--rate-limit-tokens-per-second",
        "limits.rate.rate_per_sec",
        LIMITS,
        "inference requests per second; no limit if not given",
        "N",
    ),
    Flag("--rate-limit-burst", "limits.rate.burst", LIMITS, "requests at once after a rest", "N"),
    Flag("--disable-retries", "worker_defaults.retry.disable_retry", RETRIES, "one attempt only"),
    Flag(
        "--cb-failure-threshold",
        "worker_defaults.breaker.failure_threshold",
        BREAKER,
        "failures in a row after which a worker is no longer trusted",
        "N",
    ),
    Flag(
        "--cb-success-threshold",
        "worker_defaults.breaker.success_threshold",
        BREAKER,
        "good probes in a row after which it is trusted again",
        "N",
    ),
    Flag(
        "--cb-timeout-duration-secs",
        "worker_defaults.breaker.open_secs",
        BREAKER,
        "before it is tried again; doubles with each failure",
        "SECS",
    ),
    Flag(
        "--cb-max-timeout-duration-secs",
        "worker_defaults.breaker.max_open_secs",
        BREAKER,
        "where the doubling ends",
        "SECS",
    ),
    Flag(
        "--cb-window-duration-secs",
        "worker_defaults.breaker.window_secs",
        BREAKER,
        "how far back the share of failures looks",
        "SECS",
    ),
    Flag("--disable-circuit-breaker", "worker_defaults.breaker.disabled", BREAKER, "trust every worker always"),
    Flag(
        "--health-check-interval-secs",
        "worker_defaults.health.check_interval_secs",
        HEALTH,
        "between probes of a worker that is ready",
        "SECS",
    ),
    Flag("--health-check-timeout-secs", "worker_defaults.health.timeout_secs", HEALTH, "for one probe", "SECS"),
    Flag(
        "--health-failure-threshold",
        "worker_defaults.health.failure_threshold",
        HEALTH,
        "bad probes in a row that take a worker out",
        "N",
    ),
    Flag(
        "--health-success-threshold",
        "worker_defaults.health.success_threshold",
        HEALTH,
        "good probes in a row that bring it back",
        "N",
    ),
    Flag(
        "--health-check-endpoint", "worker_defaults.health.endpoint", HEALTH, "path HTTP workers are probed at", "PATH"
    ),
    Flag("--disable-health-check", "worker_defaults.health.disable_health_check", HEALTH, "probe no worker"),
    Flag(
        "--worker-startup-timeout-secs",
        "worker_defaults.health.startup_timeout_secs",
        HEALTH,
        "after which a worker that never answered is shown as late; it is tried on",
        "SECS",
    ),
    Flag(
        "--worker-startup-check-interval",
        "worker_defaults.health.retry_interval_secs",
        HEALTH,
        "seconds between probes of a worker that is not ready",
        "SECS",
    ),
)
