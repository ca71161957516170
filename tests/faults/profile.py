"""The test profile: settings under which every case of the catalogue has one exact result, at three sizes.

``SMG_FAULTS`` is ``short`` (inside ``make test``), ``scaled`` (``make faults``) or ``full`` (``make faults-full``).
Times shrink by one factor, so their ratios stay; counts shrink by their own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from smg.config.shape import fields, type_at

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE = os.environ.get("SMG_FAULTS", "short")
TIME_FACTOR = {"short": 0.1, "scaled": 0.2, "full": 1.0}[SIZE]
COUNT_FACTOR = {"short": 0.01, "scaled": 0.1, "full": 1.0}[SIZE]
ALONE = SIZE != "short"
"""Whether the machine is the faults' own, so that times and shares of it are judged; beside other tests they are only
told."""

SLACK_SECS = 1.0 if ALONE else 4.0
"""What a loaded machine may be late by; never taken off a lower bound."""

MIB = 1 << 20
KIB = 1 << 10


def secs(full: float) -> float:
    """Return a time of the catalogue at this size."""
    return full * TIME_FACTOR


def at_most(limit_secs: float) -> float:
    """Return an upper limit on a time: exact where the machine is the faults' own, else with the slack."""
    return limit_secs if ALONE else limit_secs + SLACK_SECS


def count(full: int, least: int = 1) -> int:
    """Return a count of the catalogue at this size."""
    return max(least, int(full * COUNT_FACTOR))


def wanted() -> dict[str, Any]:
    """Return the profile as a tree of settings, those included that the gateway does not have (yet)."""
    return {
        "server": {
            "host": "127.0.0.1",
            "port": 0,
            "max_payload_size": 8 * MIB,
            "body_idle_timeout_secs": secs(20),
            "write_stall_timeout_secs": secs(10),
            "keep_alive_timeout_secs": secs(75),
            "shutdown_grace_period_secs": secs(30),
            # The front's clocks and sizes.
            "header_read_timeout_secs": secs(10),
            "tls_handshake_timeout_secs": secs(10),
            "body_grace_secs": secs(10),
            "body_min_bytes_per_sec": KIB,
            "max_header_bytes": 32 * KIB,
            "max_header_fields": 100,
            "max_header_line_bytes": 8 * KIB,
        },
        "metrics": {"host": "127.0.0.1", "port": 0},
        "json": {"max_depth": 64, "max_nodes": 200_000},
        "worker_defaults": {
            "timeouts": {
                "connect_secs": 1.0,
                "first_byte_secs": secs(5),
                "first_token_secs": secs(5),
                "between_chunks_secs": secs(5),
                "total_secs": secs(60),
            },
            "pool": {"max_message_bytes": 16 * MIB},
            "retry": {"max_retries": 3, "initial_backoff_ms": 10, "max_backoff_ms": 100},
            "health": {
                "check_interval_secs": 1.0,
                "retry_interval_secs": 0.2,
                "timeout_secs": 1.0,
                "failure_threshold": 2,
                "success_threshold": 2,
                "drain_secs": secs(30),
            },
            "breaker": {
                "failure_threshold": 5,
                "failure_rate": 0.5,
                "min_requests": 20,
                "window_secs": secs(10),
                "open_secs": secs(5),
                "max_open_secs": secs(60),
                "probe_secs": secs(5),
            },
        },
        "retry_budget": {"ratio": 0.1, "floor": 3, "window_secs": secs(10)},
    }


def settings(**changes: Any) -> dict[str, Any]:
    """Return the profile with ``changes`` (a tree) laid over it, as far as the gateway has such settings."""
    tree = merged(wanted(), changes)
    workers = tree.pop("workers", [])
    return {**known(tree), "workers": workers}


def known(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what of a tree the schema knows."""
    names = fields(type_at(path))
    return {
        name: known(value, (*path, name)) if isinstance(value, dict) else value
        for name, value in tree.items()
        if name in names
    }


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: mappings merge, everything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
