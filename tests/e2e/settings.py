"""Settings of a gateway for tests: quick probes, free ports, loopback.

With ``SMG_NO_FAST_LANE=true`` in the environment all of them leave the fast lane: ``SMG_NO_FAST_LANE=true make test``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from smg.server.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_FAST_LANE = os.environ.get("SMG_NO_FAST_LANE") == "true"
QUICK: dict[str, Any] = {
    "server": {"host": "127.0.0.1", "port": 0, "shutdown_grace_period_secs": 5},
    "metrics": {"host": "127.0.0.1", "port": 0},
    "worker_defaults": {
        "health": {"check_interval_secs": 1, "retry_interval_secs": 0.05, "timeout_secs": 2},
        "pool": {"no_fast_lane": NO_FAST_LANE},
    },
}


def settings(workers: Sequence[str | dict[str, Any]] = (), **changes: Any) -> Settings:
    """Return the quick settings with ``changes`` (a tree of dicts) laid over them."""
    specs = [{"url": worker} if isinstance(worker, str) else worker for worker in workers]
    return msgspec.convert(_merged({**QUICK, "workers": specs}, changes), Settings)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
