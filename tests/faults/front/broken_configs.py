"""T03, T04: configuration files that must not be started with, and what the error has to name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = {
    "server": (
        "port",
        "max_payload_size",
        "body_idle_timeout_secs",
        "write_stall_timeout_secs",
        "keep_alive_timeout_secs",
        "shutdown_grace_period_secs",
        "tls_handshake_timeout_secs",
    ),
    "metrics": ("port",),
    "limits": ("body_memory_bytes",),
    "limits.rate": ("rate_per_sec", "burst"),
    "limits.per_caller": ("rate_per_sec", "burst"),
    "json": ("max_depth", "max_nodes", "max_messages", "max_tools", "max_stop", "max_top_logprobs"),
    "worker_defaults.pool": ("max_connections", "idle_timeout_secs", "dns_ttl_secs", "max_message_bytes"),
    "worker_defaults.health": (
        "timeout_secs",
        "check_interval_secs",
        "retry_interval_secs",
        "failure_threshold",
        "success_threshold",
        "drain_secs",
        "startup_timeout_secs",
    ),
    "worker_defaults.retry": ("max_retries", "initial_backoff_ms", "max_backoff_ms", "backoff_multiplier"),
    "worker_defaults.timeouts": ("connect_secs",),
}
NOT_FINITE = (".nan", ".inf")
WRONG = ("-1", "nan", "ten", "5s", "[1]", "{a: 1}", "true")
SECTIONS = ("server", "metrics", "log", "model", "json", "worker_defaults", "worker_defaults.health")
TEXTS = {
    "not-yaml": ("a: [", ""),
    "tab": ("server:\n\tport: 1\n", ""),
    "list": ("- 1\n", ""),
    "scalar": ("42\n", ""),
    "duplicate-key": ("server:\n  port: 1\n  port: 2\n", "port"),
    "duplicate-section": ("server: {}\nserver: {}\n", "server"),
    "anchor-bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", ""),
    "tag": ("server: !!python/object/apply:os.system [x]\n", ""),
    "binary": ("\x00\x01\x02", ""),
    "unknown-section": ("sever: {}\n", "sever"),
    "worker-without-url": ("workers:\n- priority: 1\n", "url"),
    "worker-is-text": ("workers:\n- http://a:1\n", "workers"),
    "workers-are-text": ("workers: http://a:1\n", "workers"),
    "worker-unknown-key": ("workers:\n- url: http://a:1\n  weight: 2\n", "weight"),
    "worker-bad-scheme": ("workers:\n- url: ftp://a:1\n", "url"),
    "worker-no-host": ("workers:\n- url: http://\n", "url"),
    "worker-port-0": ("workers:\n- url: http://a:0\n", "url"),
    "worker-port-99999": ("workers:\n- url: http://a:99999\n", "url"),
    "worker-userinfo": ("workers:\n- url: http://u:p@a:1\n", "url"),
    "worker-fragment": ("workers:\n- url: http://a:1#x\n", "url"),
    "worker-twice": ("workers:\n- url: http://a:1\n- url: http://a:1\n", "url"),
    "worker-twice-spelt-differently": ("workers:\n- url: http://A:1\n- url: http://a:1/\n", "url"),
    "worker-bad-type": ("workers:\n- url: http://a:1\n  worker_type: other\n", "worker_type"),
    "worker-bad-health": ("workers:\n- url: http://a:1\n  health: {timeout_secs: -1}\n", "timeout_secs"),
    "worker-unknown-health": ("workers:\n- url: http://a:1\n  health: {timeout: 1}\n", "timeout"),
    "worker-half-identity": ("workers:\n- url: https://a:1\n  tls: {cert_path: x.pem}\n", "tls"),
    "worker-missing-ca": ("workers:\n- url: https://a:1\n  tls: {ca_path: /nonexistent/ca.pem}\n", "ca_path"),
    "missing-certificate": (
        "server: {tls_cert_path: /nonexistent/c.pem, tls_key_path: /nonexistent/k.pem}\n",
        "tls_cert_path",
    ),
    "half-certificate": ("server: {tls_cert_path: /nonexistent/c.pem}\n", "tls"),
    "missing-template": ("model: {chat_template: /nonexistent/t.jinja}\n", "chat_template"),
    "missing-model": ("model: {model_path: /nonexistent/model}\n", "model_path"),
    "empty-key": ('server: {api_key: ""}\n', "api_key"),
    "key-is-a-number": ("server: {api_key: 1}\n", "api_key"),
    "host-is-a-number": ("server: {host: 1}\n", "host"),
    "rate-not-a-number": ("limits: {rate: {rate_per_sec: .nan}}\n", "rate_per_sec"),
    "rate-too-slow": ("limits: {rate: {rate_per_sec: 0.0000001}}\n", "rate_per_sec"),
    "caller-without-key": ("callers:\n- name: a\n", "api_key"),
    "caller-unknown-key": ("callers:\n- {name: a, api_key: sk-1, admin: true}\n", "admin"),
    "caller-is-text": ("callers: [a]\n", "callers"),
    "unknown-policy": ("policy: fastest\n", "policy"),
    "policy-is-a-list": ("policy: [random]\n", "policy"),
    "unknown-level": ("log: {level: loud}\n", "level"),
    "buckets-fall": ("metrics: {duration_buckets: [2, 1]}\n", "duration_buckets"),
    "no-buckets": ("metrics: {duration_buckets: []}\n", "duration_buckets"),
    "proxy-without-scheme": ("worker_defaults: {proxy: {url: a:1}}\n", "url"),
    "health-path": ("worker_defaults: {health: {endpoint: health}}\n", "endpoint"),
    "port-65536": ("server: {port: 65536}\n", "port"),
    "port-text": ('server: {port: "80"}\n', "port"),
    "jitter-2": ("worker_defaults: {retry: {jitter_factor: 2}}\n", "jitter_factor"),
    "multiplier-below-1": ("worker_defaults: {retry: {backoff_multiplier: 0.5}}\n", "backoff_multiplier"),
}
CONTRADICTIONS = {
    "same-port-twice": ("server: {port: 9000}\nmetrics: {port: 9000}\n", "port"),
    "backoff-begins-above-its-end": (
        "worker_defaults: {retry: {initial_backoff_ms: 10, max_backoff_ms: 5}}\n",
        "initial_backoff_ms",
    ),
    "pool-0": ("worker_defaults: {pool: {max_connections: 0}}\n", "max_connections"),
    "attempts-0": ("worker_defaults: {retry: {max_retries: 0}}\n", "max_retries"),
    "breaker-window-0": ("worker_defaults: {breaker: {window_secs: 0}}\n", "window_secs"),
    "breaker-opens-longer-than-its-most": (
        "worker_defaults: {breaker: {open_secs: 10, max_open_secs: 5}}\n",
        "max_open_secs",
    ),
    "connect-beyond-the-total": ("worker_defaults: {timeouts: {connect_secs: 20, total_secs: 10}}\n", "connect_secs"),
    "memory-below-one-body": ("limits: {body_memory_bytes: 1000000}\n", "body_memory_bytes"),
    "two-callers-of-one-name": (
        "callers:\n- {name: a, api_key: sk-1}\n- {name: a, api_key: sk-2}\n",
        "callers[1].name",
    ),
    "two-callers-of-one-key": (
        "callers:\n- {name: a, api_key: sk-1}\n- {name: b, api_key: sk-1}\n",
        "callers[1].api_key",
    ),
    "authority-of-callers-without-tls": ("server: {tls_client_ca_path: ca.pem}\n", "tls_client_ca_path"),
    "worker-drain-beyond-the-grace": (
        "server: {shutdown_grace_period_secs: 5}\nworker_defaults: {health: {drain_secs: 60}}\n",
        "drain_secs",
    ),
}


def broken() -> Iterator[tuple[str, str, str]]:
    """Yield an id, a text and the key its error must name."""
    for section, names in NUMBERS.items():
        for name in names:
            for number, value in enumerate(WRONG):
                yield f"T03-{section}.{name}-{number}", under(section, f"{name}: {value}"), name
    for value in NOT_FINITE:
        for name in NUMBERS["server"][2:]:
            yield f"T03-server.{name}-{value[1:]}", under("server", f"{name}: {value}"), name
    for section in SECTIONS:
        yield f"T03-{section}-unknown-key", under(section, "unknown_key: 1"), "unknown_key"
        yield f"T03-{section}-is-a-list", under(section, None), section.rpartition(".")[2]
    for name, (text, key) in TEXTS.items():
        yield f"T03-{name}", text, key


def under(section: str, line: str | None) -> str:
    """Return a file with a line in a section, or a list in its place."""
    outer, _, inner = section.partition(".")
    path = [outer, *([inner] if inner else [])]
    text = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(path))
    return text + "  " * len(path) + (line if line is not None else "- 1") + "\n"
