"""A gateway in a process of its own that tells of itself: one JSON line per line it is sent.

usage: python -m tests.faults.gateway_process SETTINGS_JSON

A line ``wall SECS`` sets its wall clock ahead by so much (or back); the monotonic clock stays true.
It serves until standard input ends or a signal has ended it, like ``smg launch``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from tests.faults.vitals import Lag, vitals


class Wall:
    """Stands in for ``time.time``."""

    def __init__(self) -> None:
        self._true = time.time
        self.ahead_secs = 0.0

    def __call__(self) -> float:
        """Return the wrong time."""
        return self._true() + self.ahead_secs


def tell(gateway) -> dict[str, object]:
    """Return what only a gateway can tell."""
    workers = gateway.registry.fleet.workers.values()
    return {
        "port": gateway.port,
        "metrics_port": gateway.metrics_port,
        "ready": sum(worker.available for worker in workers),
        "in_flight": sum(worker.in_flight for worker in workers),
    }


async def answer(lines, gateway, wall) -> None:
    """Do and tell, line by line, until standard input ends."""
    lag = Lag()
    while line := (await lines.readline()).split():
        if line[0] == b"wall":
            wall.ahead_secs = float(line[1])
        told = {**tell(gateway), **vitals(lag, collect=line[0] == b"rest")}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


async def main(wall: Wall) -> None:
    """Serve until standard input ends or a signal came."""
    from smg.server.lifecycle import Gateway
    from smg.server.observers.log_lines import set_up_logging
    from smg.server.settings import LogSettings
    from tests.e2e.settings import settings

    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    source, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    set_up_logging(LogSettings(json=True))
    changes = json.loads(sys.argv[1])
    async with Gateway(settings(changes.pop("workers"), **changes)) as gateway, asyncio.TaskGroup() as group:
        told = group.create_task(answer(lines, gateway, wall))
        signalled = group.create_task(gateway.run_until_signal())
        await asyncio.wait((told, signalled), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        signalled.cancel()
    source.close()


if __name__ == "__main__":
    WALL = Wall()
    time.time = WALL
    uvloop.run(main(WALL))
