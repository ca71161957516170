"""Writing configuration files for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.config.load import load, settle
from smg.config.sources import File
from smg.config.yaml_text import read_yaml
from smg.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from smg.server.schema import Settings


def load_text(
    folder: Path, text: str, environment: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Settings:
    """Load a file of this text, ``gateway.yaml``, with these variables and flags."""
    file = folder / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return load(str(file), environment or {}, flags or {})


def complaint(data: bytes) -> str | None:
    """Return what is said of a file ``f`` of these bytes; None if its settings are right."""
    try:
        settle([File("f", read_yaml(data, "f"))])
    except ConfigError as error:
        return str(error)
    return None
