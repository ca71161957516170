"""What the commands share: how their help looks, and how they fail."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    # argparse has no public name for what add_subparsers returns
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


class PlainHelp(argparse.RawDescriptionHelpFormatter):
    """Leaves examples as they are laid out and gives option names room."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)


class CommandError(Exception):
    """A command cannot go on; the message says why, and the exit code is 1."""
