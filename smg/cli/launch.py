"""``smg launch``: the gateway."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from smg.cli.words import PlainHelp
from smg.config.flags import FLAGS
from smg.config.shape import default_at
from smg.config.sources import lowered

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.cli.words import Commands
    from smg.config.flags import Flag
    from smg.server.lifecycle import Gateway
    from smg.server.processes.supervisor import Supervisor
    from smg.server.schema import Settings

ABOUT = """\
Starts the gateway. It starts with no workers too, and keeps trying those that do not answer yet; more can be
registered while it runs (POST /workers).

Settings come from, the later winning: defaults, the file of --config, environment variables, flags. Each flag
has a variable: --worker-urls is SMG_WORKER_URLS, lists parted by commas or spaces. The file can say more than
the flags; docs/configuration.md has all of it.
"""

EXAMPLES = """\
examples:
  one model on an HTTP and a gRPC engine
    smg launch --worker-urls http://10.0.0.1:8000 grpc://10.0.0.2:50051
  two data-parallel ranks behind one address, the least loaded first
    smg launch --worker-urls http://10.0.0.1:30001@0 http://10.0.0.1:30001@1 --policy least_load
  callers need a key, workers are reached over mTLS
    SMG_API_KEY=... smg launch --worker-urls https://10.0.0.1:8000 \\
      --upstream-ca-path ca.pem --upstream-cert-path gateway.pem --upstream-key-path gateway.key
  everything from a file, one flag laid over it
    smg launch --config gateway.yaml --port 8080

then
  curl localhost:30000/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "MODEL", "messages": [{"role": "user", "content": "hello"}]}'
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "launch",
        aliases=["start"],
        help="start the gateway",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=PlainHelp,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--config", metavar="FILE", default=None, help="YAML file with settings (or SMG_CONFIG)")
    groups = {name: parser.add_argument_group(name) for name in dict.fromkeys(flag.group for flag in FLAGS)}
    for flag in FLAGS:
        groups[flag.group].add_argument(flag.name, *flag.aliases, **_arguments(flag))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    from smg.config.load import load  # noqa: PLC0415

    settings = load(args.config, os.environ, vars(args))
    import uvloop  # noqa: PLC0415

    uvloop.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Run one gateway until a signal has ended it."""
    from smg.server.descriptors import allow_descriptors  # noqa: PLC0415
    from smg.server.observers.log_lines import set_up_logging  # noqa: PLC0415

    allow_descriptors()
    several = settings.server.processes > 1
    set_up_logging(settings.log, process=0 if several else None)  # before grpc, which reads then how much to write
    async with _several(settings) if several else _one(settings) as gateway:
        print("\n".join(summary(gateway, settings)), flush=True)
        await gateway.run_until_signal()


def _one(settings: Settings) -> Gateway:
    from smg.server.lifecycle import Gateway  # noqa: PLC0415

    return Gateway(settings)


def _several(settings: Settings) -> Supervisor:
    from smg.server.processes.supervisor import Supervisor  # noqa: PLC0415

    return Supervisor(settings)


def summary(gateway: Gateway | Supervisor, settings: Settings) -> list[str]:
    """Return the lines that say what was started."""
    scheme = "http" if settings.server.tls_cert_path is None else "https"
    count = len(settings.workers)
    return [
        f"smg: listening on {scheme}://{_host(settings.server.host)}:{gateway.port}",
        f"smg: metrics on http://{_host(settings.metrics.host)}:{gateway.metrics_port}/metrics",
        f"smg: {count} worker{'' if count == 1 else 's'} to start with, policy {settings.policy}",
    ]


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _arguments(flag: Flag) -> dict[str, Any]:
    """Return what argparse is told of a flag; without a default, so that a flag not given is not set."""
    known: dict[str, Any] = {"dest": flag.setting, "help": flag.help + _default(flag)}
    if flag.switch:
        return known | {"action": "store_true"}
    known |= {"metavar": flag.metavar, "type": _reader(flag)}
    return known | ({"action": "extend", "nargs": "+"} if flag.several else {})


def _default(flag: Flag) -> str:
    value = default_at(flag.path)
    if flag.switch or value is None or value == ():
        return ""
    text = (
        ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value
    )
    return f" (default: {text})"


def _reader(flag: Flag) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return flag.value(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(lowered(str(error))) from None

    return read
