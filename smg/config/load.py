"""Settings from all sources: defaults, then file, then environment, then flags; the later wins.

The sources are merged as plain trees and converted once. Lists are replaced whole, never joined.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from smg.config.checks import check
from smg.config.shape import Path, dotted, fields, type_at
from smg.config.sources import CONFIG_VARIABLE, File, lowered, nearest, read_environment, read_file, read_flags
from smg.core.errors import ConfigError, InvalidRequestError
from smg.server.schema import Settings
from smg.workers.spec import ALIASES, read_spec, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smg.config.sources import Source
    from smg.workers.spec import WorkerSpec

MAX_MESSAGE_CHARS = 500
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def load(file: str | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Return the settings that hold.

    Args:
        file: Path of a YAML file; None reads the one that ``SMG_CONFIG`` names, if it names one.
        environment: The process's variables.
        flags: Values by dotted setting, None for a flag that was not given.

    Raises:
        ConfigError: A setting cannot be used; says where it stands, which it is and what is wanted.
    """
    name = file or environment.get(CONFIG_VARIABLE)
    files = [read_file(name)] if name else []
    return settle([*files, read_environment(environment), read_flags(flags)])


def settle(sources: Sequence[Source]) -> Settings:
    """Merge the sources, the last one winning, and check what comes out.

    Raises:
        ConfigError: As ``load``.
    """
    tree: dict[str, Any] = {}
    for source in sources:
        tree = merged(tree, source.tree)
    blame = Blame(sources)
    for path in not_finite(tree):
        raise blame.error(path, "must be a finite number")
    entries = tree.pop("workers", [])
    settings = _converted(tree, blame)
    workers = _workers(entries, settings, blame)
    settings = msgspec.structs.replace(settings, workers=_keyed(workers, settings, sources))
    for path, message in check(settings):
        raise blame.error(path, message)
    return settings


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: mappings merge, everything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


class Blame:
    """Finds where a wrong value came from."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def error(self, path: Path, message: str) -> ConfigError:
        """Return the error for a path: where it stands, its name, the message."""
        places = (source.where(path) for source in reversed(self._sources))
        where = next((place for place in places if place is not None), None)
        text = ": ".join(part for part in (where, dotted(path), message) if part)
        return ConfigError("".join(char if char.isprintable() else " " for char in text)[:MAX_MESSAGE_CHARS])

    def of_msgspec(self, error: msgspec.ValidationError, below: Path = ()) -> ConfigError:
        """Return the error for what the converter found."""
        message, _, where = str(error).partition(" - at `$")
        return self.at(below + steps(where.rstrip("`")), message)

    def at(self, path: Path, message: str) -> ConfigError:
        """Return the error for a message about ``path`` or about a field below it that the message names."""
        unknown = re.fullmatch(r"[Oo]bject contains unknown field `(.*)`", message, re.DOTALL)
        if unknown is not None:
            known = list(fields(type_at(path)))
            path = path if path[-1:] == (unknown[1],) else (*path, unknown[1])
            return self.error(path, f"unknown key{nearest(unknown[1], known)}")
        missing = re.fullmatch(r"[Oo]bject missing required field `(\w+)`", message)
        if missing is not None:
            return self.error(path, f"`{missing[1]}` is missing")
        word, _, rest = message.partition(" ")
        if word in fields(type_at(path)):
            path = (*path, word)
        return self.error(path, lowered(rest if rest.startswith("must ") and path[-1:] == (word,) else message))


def steps(text: str) -> Path:
    """Read the converter's spelling of a path, as far as it names keys and positions."""
    return tuple(int(index) if index else key for key, index in _STEP.findall(text.partition("[...]")[0]))


def _converted(tree: Mapping[str, Any], blame: Blame) -> Settings:
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise blame.of_msgspec(error) from None


def not_finite(value: Any, path: Path = ()) -> list[Path]:
    """Return where a tree holds infinity or what is no number."""
    if isinstance(value, dict):
        return [found for key, below in value.items() for found in not_finite(below, (*path, key))]
    if isinstance(value, list):
        return [found for index, below in enumerate(value) for found in not_finite(below, (*path, index))]
    return [path] if isinstance(value, float) and not math.isfinite(value) else []


def _workers(entries: Any, settings: Settings, blame: Blame) -> tuple[WorkerSpec, ...]:
    if not isinstance(entries, list):
        raise blame.error(("workers",), "expected a list of mappings, each with a `url`")
    return tuple(_worker(entry, ("workers", index), settings, blame) for index, entry in enumerate(entries))


def _worker(entry: Any, path: Path, settings: Settings, blame: Blame) -> WorkerSpec:
    if not isinstance(entry, dict):
        raise blame.error(path, "expected a mapping with a `url`")
    try:
        spec = read_spec(entry)
        resolve(spec, settings.worker_defaults)
    except InvalidRequestError as error:
        raise _refused(error, entry, path, blame) from None
    return spec


def _refused(error: InvalidRequestError, entry: Mapping[str, Any], path: Path, blame: Blame) -> ConfigError:
    message = error.message.partition(" - at `$")[0]
    own = steps(error.param or "")
    spelt = {new: old for old, new in ALIASES.items() if old in entry}
    own = tuple(spelt.get(str(part), part) for part in own[:1]) + own[1:]
    if "unknown field `" in message or "required field `" in message:  # there the name is part of the path
        return blame.at((*path, *own[:-1]), message)
    return blame.at((*path, *own), message)


def _keyed(workers: tuple[WorkerSpec, ...], settings: Settings, sources: Sequence[Source]) -> tuple[WorkerSpec, ...]:
    """Give the gateway's own key to workers that came as bare URLs, as operators of this field expect."""
    from_urls = any(not isinstance(source, File) and source.where(("workers",)) for source in sources)
    key = settings.worker_defaults.api_key or settings.server.api_key
    if not from_urls or key is None:
        return workers
    return tuple(msgspec.structs.replace(spec, api_key=key) for spec in workers)
