"""Run the fault catalogue against the gateway and against the control, and say what came of it.

usage: python scripts/faults.py [--size scaled|full|short] [--group P] [--no-control]

Exit code 0: every case passed or waits for a named mechanism, every figure is met, and whatever the control passes is
explained.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults.explained import EXPLAINED, NOT_ASKED  # noqa: E402
from tests.faults.report import Outcome, compared, measured, not_measured, read, table  # noqa: E402

CONTROL = {"SMG_FAULTS_BUILD": "control", "SMG_FAULTS": "short", "SMG_FAULTS_FUZZ": "60"}
OURS_ONLY = "not T03 and not T04 and not t03 and not p30 and not j11_writes"
"""The control has no settings and no command; what tries only those is not asked of it."""
BACK = ("breaker", "breaks", "content", "doors", "late", "leaving", "lifecycle", "refusals")
"""Parts of the back that do not all ask for gRPC or TLS."""
PARTS = {
    "machines": ["tests/resilience"],
    "control": ["tests/faults/front", *(f"tests/faults/back/test_{name}.py" for name in BACK)],
    "beside": ["tests/faults", "-m", "beside"],
    "paired": ["tests/faults", "-m", "paired"],
    "alone": ["tests/faults", "-m", "not beside and not paired"],
}
"""What is run: the machines, which nobody waits for, in the time that the control and what bears others beside it leave
them; then by twos what has seconds; and last what is judged to the millisecond, by itself."""
WORKERS = {"machines": 2, "control": 8, "beside": 4, "paired": 2, "alone": 0}
YIELDS = ("nice", "-n", "10")
MACHINES_ONLY = "b04 or TestBucket or TestBudget or TestClocks or TestGate"
TIMEOUTS = {"short": "60", "scaled": "300", "full": "7200"}
PROGRESS_SECS = 20.0
FAILED = {"FAILED", "ERROR", "XPASS"}
ENDED = re.compile(r"(?=.*\b(PASSED|FAILED|ERROR|XFAIL|XPASS|SKIPPED)\b)(?=.*\[ *(\d+)%\]).*?::(\S+)")


def main() -> int:
    """Run, print, judge."""
    args, begun = arguments(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        with ThreadPoolExecutor(1) as pool:
            machines = pool.submit(run, args, "machines", Path(folder))
            control = [] if args.no_control else run(args, "control", Path(folder))
            outcomes = run(args, "beside", Path(folder))
        outcomes += machines.result()
        outcomes += [each for part in ("paired", "alone") for each in run(args, part, Path(folder))]
        figures = measured(outcomes)
        lines = [*table(outcomes), *map(str, figures)]
        if not args.group:
            lines += not_measured(figures)
        if not args.no_control:
            lines += compared(outcomes, control, EXPLAINED)
            lines += [f"     not asked of the control: {what}: {why}" for what, why in NOT_ASKED.items()]
    failed = [each for each in outcomes if each.ended == "failed"]
    lines += [f"failed: {each.name}: {each.why}" for each in failed]
    print("\n".join([*lines, f"took {(time.monotonic() - begun) / 60:.1f} min at size {args.size}"]))
    return 1 if failed or not outcomes or any("MISSED" in line for line in lines) else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(TIMEOUTS), default="scaled", help="times and counts of the run")
    parser.add_argument("--group", default="", help="one group of the catalogue, by its letter, or any word of names")
    parser.add_argument("--no-control", action="store_true", help="leave the control out")
    return parser.parse_args()


def wanted(group: str) -> str:
    """Return pytest's expression for one group of the catalogue, or for the words given in its place."""
    numbers = " or ".join(f"{group}{tens}" for tens in range(4)) if len(group) == 1 else group
    return f"({numbers})" if numbers else ""


def run(args: argparse.Namespace, name: str, folder: Path) -> list[Outcome]:
    """Run one part once and return how each case ended; the control runs only what callers and workers do.

    All marks aside, and what it leaves unclosed: that fails no case for the case's own reason.
    """
    on_control, report = name == "control", folder / f"{name}.xml"
    words = [wanted(args.group), OURS_ONLY if on_control else "", MACHINES_ONLY if name == "machines" else ""]
    command = [
        *(YIELDS if name == "machines" else ()),
        *(sys.executable, "-m", "pytest", *PARTS[name], "-v", "-p", "no:cacheprovider", f"--junitxml={report}"),
        *("-n", str(WORKERS[name]), "--dist", "worksteal"),
        *(f"--timeout={TIMEOUTS[args.size]}", "-o", "junit_family=xunit1"),
        *(["--runxfail", "-W", "default::pytest.PytestUnraisableExceptionWarning"] if on_control else []),
        *("-k", " and ".join(filter(None, words))),
    ]
    follow(command, name, {**os.environ, **(CONTROL if on_control else {"SMG_FAULTS": args.size})})
    return read(report) if report.exists() else []


def follow(command: list[str], name: str, environment: dict[str, str]) -> None:
    """Run pytest and say what fails when it fails, now and then how far it is, and at the end how it ended."""
    begun = told = time.monotonic()
    failed, line = 0, ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as tests:
        for line in tests.stdout or ():
            if (ended := ENDED.search(line)) is None:
                continue
            if ended[1] in FAILED:
                failed += 1
                print(f"{name}: {ended[1]} {ended[3]}", flush=True)
            if (now := time.monotonic()) - told >= PROGRESS_SECS:
                told = now
                print(f"{name}: {ended[2]} %, {failed} failed, {now - begun:.0f} s, last {ended[3]}", flush=True)
    print(f"{name}: " + line.strip("= \n"), flush=True)


if __name__ == "__main__":
    sys.exit(main())
