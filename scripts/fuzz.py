"""Try any bytes at everything that reads bytes, one target after the other, and keep what fails.

usage: python scripts/fuzz.py [--secs 60] [--target front] [--seed 1]
       python scripts/fuzz.py --case .fuzz/front-0123456789ab

Coverage guides the choice of inputs where atheris is installed. Exit code 1: something failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz.failures import target_of  # noqa: E402
from tests.fuzz.targets import TARGETS  # noqa: E402

ONE = Path(__file__).with_name("fuzz_target.py")


def main() -> int:
    """Replay one input, or run all targets in processes of their own."""
    args = arguments()
    if args.case is not None:
        return replay(args.case)
    names = [args.target] if args.target else list(TARGETS)
    share = str(max(1.0, args.secs / len(names)))
    failed = [name for name in names if not passes(name, share, args.seed)]
    print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    return 1 if failed else 0


def passes(name: str, secs: str, seed: str) -> bool:
    """Try one target; what it writes on standard error, which is libFuzzer's talk, is of interest only if it breaks."""
    command = [sys.executable, str(ONE), name, secs, seed]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if ended.returncode not in {0, 1}:
        print(ended.stderr)
    return ended.returncode == 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secs", type=float, default=60.0, help="time for all targets together")
    parser.add_argument("--target", choices=TARGETS, help="one target only")
    parser.add_argument("--seed", default="1", help="of the choice of inputs")
    parser.add_argument("--case", type=Path, help="a kept input to try again")
    return parser.parse_args()


def replay(case: Path) -> int:
    """Try one input again and show where it fails."""
    try:
        TARGETS[target_of(case)].run(case.read_bytes())
    except Exception:  # noqa: BLE001 - whatever is raised is what is looked for
        traceback.print_exc()
        return 1
    print("passes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
