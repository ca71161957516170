"""Where settings come from, each as a plain tree that knows where its values stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Protocol

from smg.config.flags import FLAGS
from smg.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smg.config.flags import Flag
    from smg.config.shape import Path
    from smg.config.yaml_text import Node

CONFIG_VARIABLE = "SMG_CONFIG"

# What Kubernetes and Docker put into every container when a service is called "smg".
_SERVICE_LINK = re.compile(r"SMG_(SERVICE_(HOST|PORT)(_\w+)?|(ENV|PORT)_\w+|NAME)")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


class Source(Protocol):
    """One place settings come from."""

    @property
    def tree(self) -> dict[str, Any]:
        """What it sets, as nested dictionaries."""
        ...

    def where(self, path: Path) -> str | None:
        """Say where it sets ``path`` or something at the way to it; None if it does not."""
        ...


@dataclass(slots=True)
class Given:
    """Flags or variables that were given, by the setting they give.

    Attributes:
        spelt: How each setting was spelt, ``--port`` or ``SMG_PORT``.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    spelt: dict[Path, str] = field(default_factory=dict)

    def put(self, flag: Flag, spelling: str, value: Any) -> None:
        """Set what ``flag`` sets."""
        below = self.tree
        for part in flag.path[:-1]:
            below = below.setdefault(str(part), {})
        below[str(flag.path[-1])] = value
        self.spelt[flag.path] = spelling

    def where(self, path: Path) -> str | None:
        """Return the spelling of the setting that ``path`` is or lies in."""
        return next((name for given, name in self.spelt.items() if path[: len(given)] == given), None)


@dataclass(frozen=True, slots=True)
class File:
    """A YAML file."""

    name: str
    root: Node

    @property
    def tree(self) -> dict[str, Any]:
        """What the file holds."""
        plain: dict[str, Any] = self.root.plain()
        return plain

    def where(self, path: Path) -> str | None:
        """Return file and line; the line of the nearest part of ``path`` that is there."""
        line, depth = self.root.line_of(path)
        return f"{self.name}:{line}" if depth else None


def read_file(name: str) -> File:
    """Read a configuration file.

    Raises:
        ConfigError: It cannot be read, or is not what ``read_yaml`` takes.
    """
    from smg.config.yaml_text import MAX_BYTES, read_yaml  # noqa: PLC0415  (most commands read no file)

    try:
        with FilePath(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return File(name, read_yaml(data, name))


def read_environment(environment: Mapping[str, str]) -> Given:
    """Take the ``SMG_`` variables.

    Raises:
        ConfigError: A variable of that prefix is unknown, or its value of the wrong type.
    """
    given = Given()
    flags = {flag.variable: flag for flag in FLAGS}
    for name, text in environment.items():
        if not name.startswith("SMG_") or name == CONFIG_VARIABLE or _is_service_link(name, text):
            continue
        if name not in flags:
            raise ConfigError(f"{name}: unknown variable{nearest(name, [*flags, CONFIG_VARIABLE])}")
        given.put(flags[name], name, _read(flags[name], text))
    return given


def read_flags(values: Mapping[str, Any]) -> Given:
    """Take what the argument parser found, by setting; None is not given."""
    given = Given()
    for flag in FLAGS:
        if (value := values.get(flag.setting)) is not None:
            given.put(flag, flag.name, value)
    return given


def nearest(name: str, known: list[str]) -> str:
    """Return a hint at the known name nearest to a wrong one, or nothing."""
    close = get_close_matches(name[:100], known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _read(flag: Flag, text: str) -> Any:
    try:
        if flag.several:
            return [flag.value(part) for part in re.split(r"[,\s]+", text) if part]
        return flag.value(text)
    except ValueError as error:
        raise ConfigError(f"{flag.variable}: {lowered(str(error))}") from None


def lowered(message: str) -> str:
    """Spell a converter's message as ours are: lower case, in the words of YAML."""
    message = message[:1].lower() + message[1:]
    return message.replace("`array`", "`list`").replace("`object`", "`mapping`")


def _is_service_link(name: str, value: str) -> bool:
    return _SERVICE_LINK.fullmatch(name) is not None or (name == "SMG_PORT" and _LINK_VALUE.match(value) is not None)
