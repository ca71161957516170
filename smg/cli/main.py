"""Entry of the ``smg`` command."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from smg.cli import check, demo, engine, launch
from smg.cli.words import CommandError, PlainHelp
from smg.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (launch, check, engine, demo)

ABOUT = "One OpenAI endpoint over inference engines that speak HTTP and gRPC."

EXAMPLES = """\
examples:
  smg demo                                   see it work: four simulated engines and a gateway
  smg launch --worker-urls http://127.0.0.1:8000 grpc://127.0.0.1:50051
  smg launch --config gateway.yaml           everything from a file
  smg check gateway.yaml                     is the file right? exit code 0 or 2
  smg engine --mode grpc --runtime vllm      a simulated engine to try things on

`smg COMMAND --help` tells more. Exit codes: 0 done, 1 failed, 2 wrong settings.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong settings."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.run is None:
        parser.print_help()
        return 0
    try:
        return int(args.run(args))
    except ConfigError as error:
        return _told(error, 2)
    except (CommandError, OSError) as error:
        return _told(error, 1)
    except KeyboardInterrupt:
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser("smg", description=ABOUT, epilog=EXAMPLES, formatter_class=PlainHelp)
    parser.add_argument("--version", action=ShowVersion, help="print the version and exit")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


class ShowVersion(argparse.Action):
    """Prints the installed version, and whether it is compiled; looked up only when asked for, which takes a while."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        """Print and exit."""
        from importlib.metadata import version  # noqa: PLC0415

        from smg.core import clock  # noqa: PLC0415

        compiled = not clock.__file__.endswith(".py")
        print(f"smg {version('smg-gateway')}" + (" (compiled)" if compiled else ""))
        parser.exit(0)


def _told(error: Exception, code: int) -> int:
    print(f"smg: {error}", file=sys.stderr)
    return code
