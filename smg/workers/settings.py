"""How a worker is reached, watched and retried: the gateway's defaults, which a spec may override per worker."""

from __future__ import annotations

from typing import Annotated

import msgspec

from smg.resilience.settings import BreakerSettings, ClockSettings

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
MessageBytes = Annotated[int, msgspec.Meta(ge=64 * 1024, le=2**31 - 1)]


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connections one HTTP worker may hold; a gRPC worker has one connection for all its calls.

    Attributes:
        keepalive_secs: Silence after which a gRPC connection with running calls is pinged; an engine that does not
            answer within 4 seconds is taken for dead and its calls fail. 0 never pings.
        max_message_bytes: Largest message a gRPC worker may send, unpacked; from 64 KiB, and no smaller than the
            pieces of a tokenizer's files that the engine sends. A larger one fails its call.
        max_connections: Connections for requests at once; further requests wait, at most the connect timeout.
        max_in_flight: Requests the worker is given at once; further ones go to others, or are refused.
        idle_timeout_secs: How long an unused connection is kept; must stay below the engine's own (often 5).
        dns_ttl_secs: How long a resolved address is believed.
        no_fast_lane: Leave exchanges with an HTTP worker to aiohttp's client, as those over TLS and through proxies are
            anyway, in place of our own: a second opinion where one is suspected, at three times the cost of a request.
    """

    max_connections: Count = 1024
    max_in_flight: Count = 100_000
    idle_timeout_secs: NotNegative = 3.0
    dns_ttl_secs: NotNegative = 10.0
    no_fast_lane: bool = False
    keepalive_secs: NotNegative = 5.0
    max_message_bytes: MessageBytes = 64 * 1024 * 1024


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to trust and who to be, for ``https://`` and ``grpcs://`` workers.

    Attributes:
        ca_path: PEM file of the authorities to trust instead of the system's.
        cert_path: PEM file of the client's certificate chain; needs ``key_path``.
        key_path: PEM file of the client's private key.
        server_name: Name the certificate must bear, where it is not the URL's host.
    """

    ca_path: str | None = None
    cert_path: str | None = None
    key_path: str | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        """Refuse half an identity."""
        if (self.cert_path is None) != (self.key_path is None):
            raise ValueError("cert_path and key_path go together")


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A forward proxy between the gateway and a worker; gRPC workers are reached through ``CONNECT``.

    Attributes:
        url: ``http://`` or ``https://`` URL of the proxy; None goes straight.
        trust_env: Honour the process's ``*_PROXY`` variables and ``.netrc``.
    """

    url: str | None = None
    trust_env: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no proxy."""
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must start with http:// or https://")


class HealthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a worker is watched.

    Attributes:
        timeout_secs: For one probe.
        check_interval_secs: Between probes of a ready worker; spread by a fifth either way.
        retry_interval_secs: Between probes of a worker that is not ready.
        failure_threshold: Bad probes in a row that take a ready worker out.
        success_threshold: Good probes in a row that bring it back; the first time one is enough.
        endpoint: Path an HTTP worker is probed at; 2xx is healthy.
        disable_health_check: Believe in the worker once its models are known; always so for external ones.
        drain_secs: How long a leaving worker may finish what it began.
        startup_timeout_secs: After this long without an answer the reason shown says so; nothing else follows.
    """

    timeout_secs: Positive = 5.0
    check_interval_secs: Positive = 10.0
    retry_interval_secs: Positive = 1.0
    failure_threshold: Count = 3
    success_threshold: Count = 2
    endpoint: Annotated[str, msgspec.Meta(pattern="^/[!-~]*$")] = "/health"
    disable_health_check: bool = False
    drain_secs: NotNegative = 30.0
    startup_timeout_secs: Positive = 1800.0


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an attempt that failed at this worker is tried again, on another.

    Attributes:
        max_retries: Attempts in all, the first included.
        initial_backoff_ms: Bound of the wait before the first retry; each wait is drawn from 0 to its bound.
        max_backoff_ms: Longest wait.
        backoff_multiplier: Growth of the bound, at least 1.
        retryable_status_codes: Answers of an HTTP worker that count as its failure; others are the last word.
        disable_retry: One attempt only.
    """

    max_retries: Count = 5
    initial_backoff_ms: Annotated[int, msgspec.Meta(ge=0)] = 50
    max_backoff_ms: Annotated[int, msgspec.Meta(ge=0)] = 30_000
    backoff_multiplier: Annotated[float, msgspec.Meta(ge=1)] = 1.5
    retryable_status_codes: tuple[Annotated[int, msgspec.Meta(ge=400, le=599)], ...] = (
        408,
        429,
        500,
        502,
        503,
        504,
        529,
    )
    disable_retry: bool = False


class WorkerDefaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for a worker where its spec is silent.

    Attributes:
        api_key: Sent to workers as ``Authorization: Bearer``.
        expand_ranks: Register one worker per data-parallel rank an engine reports.
        max_workers: Workers that may be registered at once.
        panic_ratio: Share of a model's workers that must be ready for health to count: below it those that fail their
            probes are given requests too, as long as their breakers let them. 0: never, callers are told at once.
    """

    pool: PoolSettings = PoolSettings()
    timeouts: ClockSettings = ClockSettings()
    tls: TlsSettings = TlsSettings()
    proxy: ProxySettings = ProxySettings()
    health: HealthSettings = HealthSettings()
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    api_key: str | None = None
    expand_ranks: bool = False
    max_workers: Count = 4096
    panic_ratio: Ratio = 0.0
