"""The settings as text that may be shown: what is secret is masked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from smg.server.schema import Settings

MASK = "***"
SECRET_KEYS = frozenset({"api_key"})
_USER = re.compile(r"(?<=://)[^/@]*@(?![0-9]{1,5}$)")  # not the rank of a worker's URL


def shown(settings: Settings) -> str:
    """Return all settings as YAML, secrets masked; ``smg check`` takes it again, where masks stand for keys."""
    import yaml  # noqa: PLC0415  (most commands print no settings)

    return yaml.safe_dump(masked(msgspec.to_builtins(settings)), sort_keys=False, allow_unicode=True)


def masked(value: Any) -> Any:
    """Return a tree with secrets replaced: keys, and user names and passwords in URLs."""
    if isinstance(value, dict):
        return {
            key: MASK if key in SECRET_KEYS and below is not None else masked(below) for key, below in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(below) for below in value]
    return _USER.sub(f"{MASK}@", value) if isinstance(value, str) else value
