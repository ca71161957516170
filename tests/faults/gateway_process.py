"""A gateway in a process of its own that tells of itself: one JSON line per line it is sent.

usage: python -m tests.faults.gateway_process SETTINGS_JSON

A line ``wall SECS`` sets its wall clock ahead by so much (or back); the monotonic clock stays true.
It serves until standard input ends or a signal has ended it, like ``smg launch``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import uvloop

TICK_SECS = 0.005


class Wall:
    """Stands in for ``time.time``."""

    def __init__(self) -> None:
        self._true = time.time
        self.ahead_secs = 0.0

    def __call__(self) -> float:
        """Return the wrong time."""
        return self._true() + self.ahead_secs


class Lag:
    """How late a short timer of the event loop comes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._samples: list[float] = []
        self._arm()

    def _arm(self) -> None:
        self._due = self._loop.time() + TICK_SECS
        self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._samples.append(self._loop.time() - self._due)
        self._arm()

    def taken(self) -> dict[str, float]:
        """Return the longest and the 99.9th percentile since the last call."""
        samples, self._samples = sorted(self._samples) or [0.0], []
        return {"max": samples[-1], "p999": samples[int(len(samples) * 0.999) - 1]}


def tell(gateway, lag, *, collect) -> dict[str, object]:
    """Return what must be 0, unchanged or bounded."""
    if collect:
        gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith("Vm")}
    workers = gateway.registry.fleet.workers.values()
    return {
        "port": gateway.port,
        "metrics_port": gateway.metrics_port,
        "pid": os.getpid(),
        "ready": sum(worker.available for worker in workers),
        "in_flight": sum(worker.in_flight for worker in workers),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "rss_bytes": kib["VmRSS"] * 1024,
        "peak_bytes": kib["VmHWM"] * 1024,
        "cpu_secs": time.process_time(),
        "lag": lag.taken(),
    }


def reset_peak() -> None:
    """Begin the peak of resident memory anew."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def answer(lines, gateway, wall) -> None:
    """Do and tell, line by line, until standard input ends."""
    lag = Lag()
    while line := (await lines.readline()).split():
        if line[0] == b"wall":
            wall.ahead_secs = float(line[1])
        told = tell(gateway, lag, collect=line[0] == b"rest")
        reset_peak()
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


async def main(wall: Wall) -> None:
    """Serve until standard input ends or a signal came."""
    from smg.server.lifecycle import Gateway
    from smg.server.observers.logs import set_up_logging
    from smg.server.settings import LogSettings
    from tests.e2e.settings import settings

    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    set_up_logging(LogSettings(json=True))
    changes = json.loads(sys.argv[1])
    async with Gateway(settings(changes.pop("workers"), **changes)) as gateway, asyncio.TaskGroup() as group:
        told = group.create_task(answer(lines, gateway, wall))
        signalled = group.create_task(gateway.run_until_signal())
        await asyncio.wait((told, signalled), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        signalled.cancel()


if __name__ == "__main__":
    WALL = Wall()
    time.time = WALL
    uvloop.run(main(WALL))
