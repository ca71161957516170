"""What the schema says of a path: its type, its neighbours, its meaning."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

from smg.server.schema import Settings
from smg.workers.settings import WorkerDefaults
from smg.workers.spec import OVERRIDES, WorkerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the root of the settings."""

_ATTRIBUTE = re.compile(r"^ {4,8}(\w+): (.*(?:\n {9,}\S.*)*)", re.MULTILINE)


def dotted(path: Path) -> str:
    """Spell a path as messages and documentation do: ``workers[0].url``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def without_none(kind: Any) -> Any:
    """Return a type with None taken out of its union."""
    if get_origin(kind) in {Union, UnionType}:
        rest = [member for member in get_args(kind) if member is not NoneType]
        return rest[0] if len(rest) == 1 else kind
    return kind


def bare(kind: Any) -> Any:
    """Return a type without None and without its bounds."""
    kind = without_none(kind)
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def fields(kind: Any) -> Mapping[str, Any]:
    """Return the fields of a slice with their types; empty if the type is no slice."""
    kind = bare(kind)
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    if kind is WorkerSpec:  # its overrides are open mappings there, checked against these when resolved
        slices = fields(WorkerDefaults)
        hints |= {block: slices[setting] for block, setting in OVERRIDES.items()}
    return hints


def type_at(path: Path) -> Any:
    """Return the type of a setting, bounds included; None if there is no such path."""
    kind: Any = Settings
    for part in path:
        kind = element(kind) if isinstance(part, int) else fields(kind).get(part)
    return kind


def element(kind: Any) -> Any:
    """Return what a list of this type holds; None if it is no list."""
    return get_args(bare(kind))[0] if get_origin(bare(kind)) is tuple else None


def default_at(path: Path) -> Any:
    """Return the default of a setting that has a place in the tree of defaults."""
    value: Any = Settings()
    for part in path:
        value = getattr(value, str(part))
    return value


def meanings(kind: type) -> Mapping[str, str]:
    """Return what a slice's docstring says of each of its fields."""
    text = (kind.__doc__ or "").partition("Attributes:")[2]
    return {name: " ".join(meaning.split()) for name, meaning in _ATTRIBUTE.findall(text)}
