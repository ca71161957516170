"""What an engine tells of itself without what it should have kept to itself."""

from __future__ import annotations

import re
from typing import Any

SECRET = re.compile(r"(?:^|_)(?:api_key|password|secret|hf_token)$", re.IGNORECASE)


def masked(told: Any) -> Any:
    """Return ``told`` without the values of fields that are secrets by their name, at any depth; unset ones stay."""
    if isinstance(told, dict):
        return {name: "***" if value and SECRET.search(name) else masked(value) for name, value in told.items()}
    if isinstance(told, list):
        return [masked(one) for one in told]
    return told
