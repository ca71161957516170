"""Run the fault catalogue against the gateway and against the control, and say what came of it.

usage: python scripts/faults.py [--size scaled|full|short] [--group P] [--no-control]

Exit code 0: every case passed or waits for a named mechanism, and every figure is met.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults.explained import EXPLAINED  # noqa: E402
from tests.faults.report import Outcome, compared, read, shown  # noqa: E402

CONTROL = {"SMG_FAULTS_BUILD": "control", "SMG_FAULTS": "short", "SMG_FAULTS_FUZZ": "60"}
OURS_ONLY = "not T03 and not T04 and not t03 and not p30 and not j11_writes"
"""The control has no settings and no command; what tries only those is not asked of it."""
MACHINES = "tests/resilience"
"""B04: the state machines, put through as many schedules as the size asks for."""

TIMEOUTS = {"short": "60", "scaled": "300", "full": "7200"}


def main() -> int:
    """Run, print, judge."""
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run(args, Path(folder) / "gateway.xml")
        lines = shown(outcomes)
        if not args.no_control:
            control = run(args, Path(folder) / "control.xml", **CONTROL)
            lines += compared(outcomes, control, EXPLAINED)
    failed = [each.name for each in outcomes if each.ended == "failed"]
    print("\n".join([*lines, *(f"failed: {name}" for name in failed)]))
    return 1 if failed or not outcomes or any("MISSED" in line for line in lines) else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(TIMEOUTS), default="scaled", help="times and counts of the run")
    parser.add_argument("--group", default="", help="one group of the catalogue, by its letter, or any word of names")
    parser.add_argument("--no-control", action="store_true", help="leave the control out")
    parser.add_argument("--processes", default="1", help="pytest processes; timed cases want a quiet machine")
    return parser.parse_args()


def run(args: argparse.Namespace, report: Path, **variables: str) -> list[Outcome]:
    """Run the cases once and return how each ended; the control runs only what callers do, all marks aside."""
    on_control = "SMG_FAULTS_BUILD" in variables
    where = ("tests/faults/front",) if on_control else ("tests/faults", MACHINES)
    command = [
        *(sys.executable, "-m", "pytest", *where, "-q", "-p", "no:cacheprovider", f"--junitxml={report}"),
        *("-n", "2" if on_control else args.processes, f"--timeout={TIMEOUTS[args.size]}", "-o", "junit_family=xunit1"),
        *(["--runxfail"] if on_control else []),
        *(["-k", " and ".join(filter(None, [args.group, OURS_ONLY if on_control else ""]))]),
    ]
    environment = {**os.environ, "SMG_FAULTS": args.size, **variables}
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    print(f"{'control' if on_control else 'gateway'}: {ended.stdout.strip().splitlines()[-1]}", flush=True)
    return read(report) if report.exists() else []


if __name__ == "__main__":
    sys.exit(main())
