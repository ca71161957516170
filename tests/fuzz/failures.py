"""Inputs at which a target failed: one file for each place and kind of failure."""

from __future__ import annotations

import hashlib
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.target import Target


class Failures:
    """Keeps what failed.

    Attributes:
        found: The file of each failure, by where it was raised.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: dict[str, Path] = {}

    def tried(self, target: Target, data: bytes) -> BaseException | None:
        """Run once; return what is new among failures."""
        try:
            target.run(data)
        except Exception as error:  # noqa: BLE001 - each kind of error is a finding
            return error if self._keep(target, data, error) else None
        return None

    def _keep(self, target: Target, data: bytes, error: Exception) -> bool:
        place = where(error)
        if place in self.found:
            return False
        name = f"{target.name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.found[place] = self._folder / name
        self.found[place].write_bytes(data)
        return True


def where(error: BaseException) -> str:
    """Return what tells one failure from another: its kind and the last two places it passed."""
    places = traceback.extract_tb(error.__traceback__)[-2:]
    return " ".join([type(error).__name__, *(f"{place.filename}:{place.lineno}" for place in places)])


def target_of(path: Path) -> str:
    """Return the name of the target that a kept input is for."""
    return path.name.rpartition("-")[0]
