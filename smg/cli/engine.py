"""``smg engine``: simulated engines to try things on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.cli.words import CommandError, PlainHelp, not_negative, port, whole
from smg.core.words import ConnectionMode, Runtime

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from smg.cli.words import Commands

ABOUT = """\
Runs simulated engines: continuous batching, a finite prefix cache, the protocols of real engines, and text
that follows from the prompt alone. They need no model and no accelerator.
"""

EXAMPLES = """\
examples:
  smg engine --port 8000                                       one SGLang-like HTTP engine
  smg engine --mode grpc --runtime vllm --count 2 --port 50051  two vLLM-like gRPC engines, ports 50051 and 50052
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "engine",
        help="run simulated engines",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=PlainHelp,
        allow_abbrev=False,
    )
    parser.add_argument("--mode", choices=[mode.value for mode in ConnectionMode], default="http", help=_shown("speak"))
    parser.add_argument("--runtime", choices=["sglang", "vllm", "mlx"], default="sglang", help=_shown("resemble"))
    parser.add_argument("--count", type=whole(1, 1000), default=1, metavar="N", help=_shown("engines to run"))
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=_shown("address to listen on"))
    parser.add_argument(
        "--port",
        type=port,
        default=0,
        metavar="PORT",
        help=_shown("of the first, the others follow; 0 takes free ones"),
    )
    parser.add_argument("--model", default="sim", metavar="NAME", help=_shown("model name to serve"))
    parser.add_argument(
        "--speed", type=not_negative, default=1.0, metavar="TIMES", help=_shown("how many times faster; 0 never waits")
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run engines until Ctrl-C."""
    import uvloop  # noqa: PLC0415

    from smg.sim.launch import EnginePlan, serve_engines  # noqa: PLC0415
    from smg.sim.settings import EngineSettings  # noqa: PLC0415

    plan = EnginePlan(
        mode=ConnectionMode(args.mode),
        runtime=Runtime(args.runtime),
        count=args.count,
        port=args.port,
        host=args.host,
    )
    try:
        uvloop.run(serve_engines(plan, EngineSettings(model=args.model, speed=args.speed), tell))
    except RuntimeError as error:  # how gRPC says that a port is taken
        raise CommandError(f"cannot listen: {str(error).splitlines()[0]}") from error
    return 0


def tell(urls: Sequence[str]) -> None:
    """Print where the engines listen, one URL per line, so that a script can read them."""
    for url in urls:
        print(url, flush=True)


def _shown(text: str) -> str:
    return f"{text} (default: %(default)s)"
