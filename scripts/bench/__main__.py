"""Compare gateways side by side, in one run, in turn: CPU of the whole process tree, latency, memory.

usage: python -m scripts.bench [--targets ours,smg,nginx] [--scenarios plain,streams] [--rounds 5] [--secs 4]

Only ratios within one run mean anything: each round visits the gateways in another order, and medians are compared.
Gateways that are not installed are left out; `make bench-peers` installs them. Behind each figure of another gateway
stands ours as a share of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.bench.programs import free_port, running
from scripts.bench.report import Results, shown
from scripts.bench.scenarios import CHUNKS, PAUSE_MS, SCENARIOS
from scripts.bench.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scripts.bench.programs import Program
    from scripts.bench.scenarios import Scenario
    from scripts.bench.targets import Target


NARROW, WIDE = 2, 6
FRESH = frozenset({"fresh", "wide"})


class Ring:
    """The engines, and the gateways before them, of one run."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._gateways: dict[tuple[str, str], Program] = {}
        self._http: list[Program] = []
        self._grpc = self._engine("grpc_engine", 0, CHUNKS, PAUSE_MS, self._model())

    def _model(self) -> Path:
        from tests.text.tokenizers_made import make_model_dir  # noqa: PLC0415

        make_model_dir(self._folder / "model")
        return self._folder / "model"

    def _engine(self, module: str, number: int, *words: object) -> Program:
        port = free_port()
        command = [sys.executable, "-m", f"scripts.bench.{module}", str(port), *map(str, words)]
        program = self._stack.enter_context(running(command, port, self._folder / f"{module}{number}.log"))
        program.wait_listening()
        return program

    def engines(self, scenario: Scenario) -> list[Program]:
        """Return the engines behind the gateway, each of which callers could have asked directly."""
        if scenario.fleet == "grpc":
            return [self._grpc]
        many = WIDE if scenario.fleet == "wide" else NARROW
        while len(self._http) < many:
            self._http.append(self._engine("http_engine", len(self._http), CHUNKS, PAUSE_MS))
        return self._http[:many]

    def visit(self, target: Target, scenario: Scenario, secs: float) -> dict[str, float]:
        """Load one gateway once."""
        engines = self.engines(scenario)
        with ExitStack() as stack:
            if scenario.fleet in FRESH:
                gateway = self._start(stack, target, scenario.fleet, engines)
            else:
                key = (target.name, scenario.fleet)
                gateway = self._gateways.get(key) or self._start(self._stack, target, scenario.fleet, engines)
                self._gateways[key] = gateway
            return scenario.run(gateway, engines, secs)

    def _start(self, stack: ExitStack, target: Target, fleet: str, engines: Sequence[Program]) -> Program:
        urls = [f"{scheme(fleet)}://127.0.0.1:{engine.port}" for engine in engines]
        place, port = self._folder / f"{target.name}-{fleet}", free_port()
        place.mkdir(exist_ok=True)
        gateway = stack.enter_context(running(target.command(urls, port, place), port, place / "log"))
        gateway.wait_serving()
        return gateway


def scheme(fleet: str) -> str:
    """Return how the workers of a fleet are spoken to."""
    return "grpc" if fleet == "grpc" else "http"


def main() -> int:
    """Run, print, and write the figures where they are wanted."""
    args = arguments()
    targets = [target for target in TARGETS if target.name in args.targets.split(",") and target.installed]
    results = Results()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ring = Ring(stack, Path(folder))
        for turn in range(args.rounds):
            for name in args.scenarios.split(","):
                for target in targets[turn % len(targets) :] + targets[: turn % len(targets)]:
                    if scheme(SCENARIOS[name].fleet) in target.workers:
                        print(f"round {turn + 1}: {name}: {target.name}", file=sys.stderr, flush=True)
                        results.add(target.name, ring.visit(target, SCENARIOS[name], args.secs))
    print("\n".join(shown(results.medians())))
    if args.out:
        Path(args.out).write_text(json.dumps(results.values, indent=1), encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--targets",
        default=",".join(target.name for target in TARGETS if target.usual),
        help=f"gateways, of {', '.join(target.name for target in TARGETS)}; litellm takes most of a run's time",
    )
    parser.add_argument(
        "--scenarios",
        default=",".join(name for name, scenario in SCENARIOS.items() if scenario.usual),
        help=f"of {' '.join(SCENARIOS)}",
    )
    parser.add_argument("--rounds", type=int, default=5, help="visits to each gateway")
    parser.add_argument("--secs", type=float, default=4.0, help="length of a visit")
    parser.add_argument("--out", help="file for every round's figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
