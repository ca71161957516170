"""What the commands share: how their help looks, and how they fail."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    # argparse has no public name for what add_subparsers returns
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


class PlainHelp(argparse.RawDescriptionHelpFormatter):
    """Leaves examples as they are laid out and gives option names room."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)


class CommandError(Exception):
    """A command cannot go on; the message says why, and the exit code is 1."""


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``low`` to ``high``, both included."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):  # noqa: PLR2004
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def not_negative(text: str) -> float:
    """Read a number of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError("must be a number of 0 or more")
    return value


port = whole(0, 65_535)
"""Reads a port; 0 stands for a free one."""
