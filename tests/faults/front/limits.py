"""Where the settings of limits stand, in one place."""

from __future__ import annotations

from typing import Any

RATE = ("limits", "rate")
"""A token bucket over all requests: ``rate_per_sec`` and ``burst``."""
GATE = ("limits", "concurrency")
"""Requests at once: ``limit``, ``queue_size`` and ``queue_timeout_secs``."""


def setting(path: tuple[str, ...], **values: Any) -> dict[str, Any]:
    """Return the tree that sets them."""
    tree: dict[str, Any] = values
    for name in reversed(path):
        tree = {name: tree}
    return tree
