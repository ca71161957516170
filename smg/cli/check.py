"""``smg check``: is a configuration file right?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from smg.cli.words import PlainHelp

if TYPE_CHECKING:
    import argparse

    from smg.cli.words import Commands

ABOUT = """\
Reads a configuration file as `smg launch --config FILE` would, environment included, and starts nothing.
Wrong settings are told with file, line and name, and the exit code is 2.
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="check a configuration file",
        description=ABOUT,
        formatter_class=PlainHelp,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="YAML file")
    parser.add_argument("--show", action="store_true", help="print the settings that would hold, secrets masked")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the file; raises ConfigError if it is wrong."""
    from smg.config.load import load  # noqa: PLC0415
    from smg.config.secrets import shown  # noqa: PLC0415

    settings = load(args.file, os.environ, {})
    print(shown(settings) if args.show else f"{args.file}: right", end="" if args.show else "\n")
    return 0
