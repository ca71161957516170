"""The server's own slices of the settings; each checks its own ranges."""

from __future__ import annotations

import msgspec

DURATION_BUCKETS_SECS = (
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0,
    180.0, 240.0, 300.0, 480.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 5400.0, 7200.0,
)  # fmt: skip

ABOVE_ZERO = (
    *("max_payload_size", "body_idle_timeout_secs", "write_stall_timeout_secs", "keep_alive_timeout_secs"),
    *("header_read_timeout_secs", "body_grace_secs", "body_min_bytes_per_sec", "max_header_line_bytes"),
    *("max_header_fields", "max_header_bytes", "max_connections", "tls_handshake_timeout_secs"),
)
"""Settings of the listener that must be."""

NEEDED = {"tls_client_ca_path": "tls_cert_path", "tls_client_crl_path": "tls_client_ca_path"}
"""Settings that say nothing without another one."""

LOG_LEVELS = ("debug", "info", "warning", "error")
WARN = "warn"
"""How other gateways' commands spell a warning."""

MAX_PORT = 65535
MAX_PROCESSES = 256


class Slice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of the settings: immutable, and an unknown key is an error."""


class ServerSettings(Slice, frozen=True, kw_only=True):
    """The listener that callers reach.

    Attributes:
        host: Address to bind.
        port: TCP port, 0 to 65535; 0 takes a free one.
        processes: Processes that serve, 1 to 256; best as many as there are cores. Beyond 1 they share port, fleet and
            ``limits``, but for ``body_memory_bytes``; that, ``max_connections`` and the pools to workers are each
            process's own.
        tls_cert_path: PEM file with the server's certificate chain; needs ``tls_key_path``.
        tls_key_path: PEM file with its private key; needs ``tls_cert_path``.
        tls_client_ca_path: PEM file with the authorities that vouch for callers; needs ``tls_cert_path``. Callers
            without a certificate of one of these are refused in the handshake; None asks for none.
        tls_client_crl_path: PEM file with those authorities' revocation lists, all still valid; read at start.
            Needs ``tls_client_ca_path``.
        tls_handshake_timeout_secs: Seconds a caller's TLS handshake may take; above 0.
        api_key: Key that opens everything; None leaves the gateway open, unless there are ``callers``.
        max_payload_size: Bytes of request body at most; above 0.
        body_idle_timeout_secs: Seconds without a byte of an unfinished body before the request is refused; above 0.
        write_stall_timeout_secs: Seconds a caller may take nothing of a waiting answer before it is cut; above 0.
        keep_alive_timeout_secs: Seconds an idle connection is kept; above 0.
        header_read_timeout_secs: Seconds a request's head may take to arrive; above 0.
        body_grace_secs: Seconds after which a request's body must have kept its lowest rate; above 0.
        body_min_bytes_per_sec: That rate, on average from the head on; above 0.
        max_header_line_bytes: Bytes of the request line, and of each field, at most; above 0.
        max_header_fields: Fields of a request at most; above 0.
        max_header_bytes: Bytes of a request's head at most; above 0.
        max_connections: Connections at most; beyond, the one that has waited longest for a request is closed. Above 0.
        request_id_headers: Request fields whose value becomes the request's id, the first that is usable.
        cors_allowed_origins: Origins a browser may call from; empty allows none, ``*`` allows all.
        shutdown_grace_period_secs: Seconds that running requests get to finish after SIGTERM; 0 or more. A worker's
            ``drain_secs``, where set, must not exceed it.
    """

    host: str = "0.0.0.0"  # noqa: S104  (a gateway serves other machines)
    port: int = 30000
    processes: int = 1
    tls_cert_path: str | None = None
    tls_key_path: str | None = None
    tls_client_ca_path: str | None = None
    tls_client_crl_path: str | None = None
    tls_handshake_timeout_secs: float = 10.0
    api_key: str | None = None
    max_payload_size: int = 512 << 20
    body_idle_timeout_secs: float = 60.0
    write_stall_timeout_secs: float = 30.0
    keep_alive_timeout_secs: float = 75.0
    header_read_timeout_secs: float = 10.0
    body_grace_secs: float = 10.0
    body_min_bytes_per_sec: int = 1 << 10
    max_header_line_bytes: int = 8 << 10
    max_header_fields: int = 100
    max_header_bytes: int = 32 << 10
    max_connections: int = 16384
    request_id_headers: tuple[str, ...] = ("x-request-id", "x-correlation-id", "x-trace-id", "request-id")
    cors_allowed_origins: tuple[str, ...] = ()
    shutdown_grace_period_secs: float = 180.0

    def __post_init__(self) -> None:
        _check_port("port", self.port)
        if not 1 <= self.processes <= MAX_PROCESSES:
            raise ValueError(f"processes must be 1 to {MAX_PROCESSES}")
        for name in ABOVE_ZERO:
            _check_above_zero(name, getattr(self, name))
        if not self.shutdown_grace_period_secs >= 0:
            raise ValueError("shutdown_grace_period_secs must be 0 or more")
        if (self.tls_cert_path is None) != (self.tls_key_path is None):
            raise ValueError("tls_cert_path and tls_key_path must be set together")
        for name, needed in NEEDED.items():
            if getattr(self, name) is not None and getattr(self, needed) is None:
                raise ValueError(f"{name} must be set together with {needed}")
        if self.api_key == "":
            raise ValueError("api_key must not be empty")


class MetricsSettings(Slice, frozen=True, kw_only=True):
    """The listener that Prometheus scrapes.

    Attributes:
        host: Address to bind.
        port: TCP port, 0 to 65535; 0 takes a free one.
        duration_buckets: Upper bounds of the duration histograms in seconds, rising.
    """

    host: str = "0.0.0.0"  # noqa: S104  (Prometheus runs elsewhere)
    port: int = 29000
    duration_buckets: tuple[float, ...] = DURATION_BUCKETS_SECS

    def __post_init__(self) -> None:
        _check_port("port", self.port)
        if not self.duration_buckets or list(self.duration_buckets) != sorted(set(self.duration_buckets)):
            raise ValueError("duration_buckets must rise and hold at least one bound")


class LogSettings(Slice, frozen=True, kw_only=True):
    """What is logged, and how.

    Attributes:
        level: ``debug``, ``info``, ``warning`` (or ``warn``) or ``error``.
        json: JSON lines; None means JSON unless standard error is a terminal.
    """

    level: str = "info"
    json: bool | None = None

    def __post_init__(self) -> None:
        if self.level not in {*LOG_LEVELS, WARN}:
            raise ValueError(f"level must be one of {', '.join(LOG_LEVELS)}")


class ModelSettings(Slice, frozen=True, kw_only=True):
    """Tokenizer and template for gRPC workers that do not name their own.

    Attributes:
        model_path: Directory of a model; its tokenizer and template are used.
        tokenizer_path: Directory or ``tokenizer.json`` file; goes before ``model_path``.
        chat_template: File with a jinja2 template that replaces the tokenizer's own.
    """

    model_path: str | None = None
    tokenizer_path: str | None = None
    chat_template: str | None = None


def _check_port(name: str, port: int) -> None:
    if not 0 <= port <= MAX_PORT:
        raise ValueError(f"{name} must be 0 to {MAX_PORT}")


def _check_above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0")
