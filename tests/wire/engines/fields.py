"""What each dialect writes, flattened so that a table can name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smg.core.generation import Generation
    from smg.wire.engines.dialect import Dialect


def written(dialect: Dialect, asked: Generation, path: str) -> Any:
    """Return the field at a dotted path of the request that asks for ``asked``, after a trip over the wire."""
    data = dialect.generate_request(asked).SerializeToString()
    value: Any = dialect.generate.request.FromString(data)
    for name in path.split("."):
        value = getattr(value, name) if name.isidentifier() else value[name]
    return value


def plain(value: Any) -> Any:
    """Return repeated fields as lists, maps as dicts, and floats as short as single precision has them."""
    if isinstance(value, float):
        return round(value, 6)
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "extend"):
        return list(value)
    return value
