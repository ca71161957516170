"""``smg demo``: the whole thing on one machine, without a model."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from smg.cli.words import CommandError, PlainHelp, port
from smg.core.errors import ConfigError
from smg.core.words import ConnectionMode, Runtime

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

    from smg.cli.words import Commands
    from smg.server.lifecycle import Gateway
    from smg.server.schema import Settings
    from smg.sim.engine import SimEngine

ABOUT = """\
Starts two HTTP and two gRPC simulated engines of one model and a gateway in front of them, shows where to send
requests, streams a sample answer of each kind through the gateway, and serves until Ctrl-C.
"""

MODEL = "demo-model"
HOST = "127.0.0.1"
READY_SECS = 20.0
LOOK_SECS = 0.05
GRACE_SECS = 1.0

# HTTP and gRPC in turn, so that the first two requests see one of each.
ENGINES = (
    (ConnectionMode.HTTP, Runtime.SGLANG),
    (ConnectionMode.GRPC, Runtime.SGLANG),
    (ConnectionMode.HTTP, Runtime.VLLM),
    (ConnectionMode.GRPC, Runtime.VLLM),
)


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="see it work: simulated engines and a gateway",
        description=ABOUT,
        formatter_class=PlainHelp,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--port", type=port, default=30000, metavar="PORT", help="port of the gateway (default: %(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="end after the sample answers")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration until Ctrl-C, or until it was shown once."""
    _require_free(args.port)
    import uvloop  # noqa: PLC0415

    from smg.server.observers.log_lines import set_up_logging  # noqa: PLC0415
    from smg.server.settings import LogSettings  # noqa: PLC0415

    set_up_logging(LogSettings(level="error"))  # first of all, since the engines' library reads its own wishes once
    uvloop.run(show(args.port, once=args.once))
    return 0


async def show(number: int, *, once: bool) -> None:
    """Start everything, show it, and serve on port ``number`` until a signal unless ``once``."""
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(engine) for engine in _engines()]
        gateway = await stack.enter_async_context(_gateway(_settings(number, engines)))
        await _all_ready(gateway, len(engines))
        _tell("\n".join(_where(gateway, engines)))
        await _samples(gateway)
        if not once:
            _tell(f"Serving on http://{HOST}:{gateway.port} - Ctrl-C ends it.")
            await gateway.run_until_signal()
    _tell("All ended.")


def _engines() -> list[SimEngine]:
    from smg.sim.engine import SimEngine  # noqa: PLC0415
    from smg.sim.settings import EngineSettings  # noqa: PLC0415

    return [SimEngine(mode, runtime, EngineSettings(model=MODEL)) for mode, runtime in ENGINES]


def _settings(number: int, engines: Sequence[SimEngine]) -> Settings:
    from smg.config.load import settle  # noqa: PLC0415
    from smg.config.sources import Given  # noqa: PLC0415

    tree = {
        "server": {"host": HOST, "port": number, "shutdown_grace_period_secs": GRACE_SECS},
        "metrics": {"host": HOST, "port": 0},
        "workers": [{"url": engine.url} for engine in engines],
    }
    return settle([Given(tree)])


@asynccontextmanager
async def _gateway(settings: Settings) -> AsyncIterator[Gateway]:
    from smg.server.lifecycle import Gateway  # noqa: PLC0415

    async with Gateway(settings) as gateway:
        yield gateway


async def _all_ready(gateway: Gateway, count: int) -> None:
    """Wait until every engine takes requests.

    Raises:
        CommandError: It takes too long; says what the engines wait for.
    """
    try:
        async with asyncio.timeout(READY_SECS):
            while sum(worker.available for worker in gateway.registry.fleet.workers.values()) < count:  # noqa: ASYNC110  (nothing tells when)
                await asyncio.sleep(LOOK_SECS)
    except TimeoutError:
        reasons = [worker.life.reason for worker in gateway.registry.fleet.workers.values() if not worker.available]
        raise CommandError(f"engines not ready within {READY_SECS:g} s: {'; '.join(reasons)}") from None


def _where(gateway: Gateway, engines: Sequence[SimEngine]) -> list[str]:
    url = f"http://{HOST}:{gateway.port}"
    return [
        "Engines (simulated):",
        *(f"  {engine.url:<28} {engine.runtime.value} over {engine.mode.value}" for engine in engines),
        "",
        "Send requests to:",
        f"  {url}/v1         OpenAI API, model {MODEL}, no key",
        f"  {url}/workers    the fleet",
        f"  http://{HOST}:{gateway.metrics_port}/metrics    Prometheus",
        "",
        "Try, from another terminal:",
        f"  curl -N {url}/v1/chat/completions -H 'content-type: application/json' \\",
        f'    -d \'{{"model": "{MODEL}", "stream": true, "messages": [{{"role": "user", "content": "hello"}}]}}\'',
        "",
    ]


async def _samples(gateway: Gateway) -> None:
    """Stream one answer by an HTTP worker and one by a gRPC worker to the terminal."""
    from smg.cli.sample import stream_chat  # noqa: PLC0415

    unseen = set(ConnectionMode)
    for _ in range(2 * len(ENGINES)):
        if not unseen:
            return
        async with stream_chat(HOST, gateway.port, MODEL) as answer:
            worker = gateway.registry.fleet.workers[answer.worker_id]
            if worker.connection_mode in unseen:
                _tell(f"Answered by {worker.id}, {worker.url}:")
                async for text in answer.texts():
                    print(text, end="", flush=True)
                _tell("\n")
                unseen.discard(worker.connection_mode)
    if unseen:
        raise CommandError(f"no answer over {', '.join(mode.value for mode in unseen)}")


def _tell(text: str) -> None:
    print(text, flush=True)


def _require_free(number: int) -> None:
    """Refuse a port that is taken, before anything is started.

    Raises:
        ConfigError: With what to do next.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError as error:
            reason = (error.strerror or "cannot be used").lower()
            raise ConfigError(f"port {number}: {reason}; choose another one: smg demo --port 30100") from None
