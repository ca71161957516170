"""A process that takes tokens and places as fast as it can.

usage: python -m tests.server.processes.hammer DESCRIPTOR ROW

It begins with the first line of standard input, and tells how many tokens it got and whether it saw too many places.
"""

from __future__ import annotations

import json
import sys
import time

from smg.core.clock import MonotonicClock
from smg.resilience.bucket import TokenBucket
from smg.resilience.settings import BucketSettings
from smg.server.processes.board import Board, Table
from smg.server.schema import Settings
from smg.server.settings import ServerSettings

SETTINGS = Settings(server=ServerSettings(processes=3))
BUCKET = BucketSettings(rate_per_sec=2000, burst=200)
SECS = 1.0
LIMIT = 2


def hammer(board: Board) -> dict[str, float]:
    """Take and give for a while."""
    bucket = TokenBucket(BUCKET, MonotonicClock(), board.mark("rate"))
    places, tokens, got = board.places("concurrency"), 0, 0
    end = time.monotonic() + SECS
    while time.monotonic() < end:
        tokens += bucket.take()
        if places.take(LIMIT):
            got += 1
            places.give()
    return {"tokens": tokens, "places": got, "held": places.held}


def tell(line: str) -> None:
    """Write a line of standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    BOARD = Board(Table(SETTINGS, int(sys.argv[1])), int(sys.argv[2]))
    tell("ready")
    sys.stdin.readline()
    tell(json.dumps(hammer(BOARD)))
