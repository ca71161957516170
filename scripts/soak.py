"""Soak the gateway: load and a fault every ten seconds, with a verdict on every request.

usage: python scripts/soak.py [--minutes 5] [--seed 1] [--rate 80] [--only http-cut,removed]

Exit code 1: a figure missed its target, or something was seen that must never be.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.soak.ills import ILLS
from tests.faults.soak.soak import Soak

SHOWN = 20


def main() -> int:
    """Run, print, judge."""
    args = arguments()
    seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    soak = Soak(
        seed, args.rate, lambda line: print(line, flush=True), tuple(args.only.split(",")) if args.only else tuple(ILLS)
    )
    figures, wrong = asyncio.run(soak.run(args.minutes * 60))
    print("\n".join(str(figure) for figure in figures))
    print("\n".join(wrong[:SHOWN]))
    return 1 if wrong or not all(figure.met for figure in figures) else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long callers ask")
    parser.add_argument("--seed", type=int, help="of faults and callers; without it one is drawn")
    parser.add_argument("--rate", type=float, default=80.0, help="requests per second")
    parser.add_argument("--only", default="", help=f"kinds of faults, of {', '.join(ILLS)}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
