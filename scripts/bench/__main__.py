"""Compare gateways side by side, in one run, in turn: CPU of the whole process tree, latency, memory.

usage: python -m scripts.bench [--targets ours,smg,nginx] [--scenarios plain,streams] [--rounds 5] [--secs 4]

Only ratios within one run mean anything: each round visits the gateways in another order, and medians are compared.
Gateways that are not installed are left out; `make bench-peers` installs them.
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
    from scripts.bench.programs import Program
    from scripts.bench.scenarios import Scenario
    from scripts.bench.targets import Target


class Ring:
    """The engines, and the gateways before them, of one run."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._gateways: dict[tuple[str, str], Program] = {}
        numbers = (CHUNKS, PAUSE_MS)
        self._http = [self._engine("http_engine", number, *numbers) for number in range(2)]
        self._grpc = self._engine("grpc_engine", 0, *numbers, self._model())

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

    def engine(self, scenario: Scenario) -> Program:
        """Return the engine that callers could have asked directly."""
        return self._grpc if scenario.fleet == "grpc" else self._http[0]

    def visit(self, target: Target, scenario: Scenario, secs: float) -> dict[str, float]:
        """Load one gateway once."""
        with ExitStack() as stack:
            if scenario.fleet == "fresh":
                gateway = self._start(stack, target, "fresh")
            else:
                key = (target.name, scenario.fleet)
                gateway = self._gateways.get(key) or self._start(self._stack, target, scenario.fleet)
                self._gateways[key] = gateway
            return scenario.run(gateway, self.engine(scenario), secs)

    def _start(self, stack: ExitStack, target: Target, fleet: str) -> Program:
        urls = [f"http://127.0.0.1:{engine.port}" for engine in self._http]
        if fleet == "grpc":
            urls = [f"grpc://127.0.0.1:{self._grpc.port}"]
        place, port = self._folder / f"{target.name}-{fleet}", free_port()
        place.mkdir(exist_ok=True)
        gateway = stack.enter_context(running(target.command(urls, port, place), port, place / "log"))
        gateway.wait_serving()
        return gateway


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
                    if SCENARIOS[name].fleet != "grpc" or target.grpc:
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
        default="ours,smg,vllm-router,nginx",
        help="gateways, of ours, ours x2, smg, vllm-router, litellm, nginx",
    )
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help=f"of {' '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, default=5, help="visits to each gateway")
    parser.add_argument("--secs", type=float, default=4.0, help="length of a visit")
    parser.add_argument("--out", help="file for every round's figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
