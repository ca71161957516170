"""What a process tells of itself while it is tried."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from contextlib import suppress
from pathlib import Path

TICK_SECS = 0.005


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
        """Return the longest, the 99.9th percentile and the number of samples since the last call."""
        samples, self._samples = sorted(self._samples) or [0.0], []
        return {"max": samples[-1], "p999": samples[int((len(samples) - 1) * 0.999)], "ticks": len(samples)}


def vitals(lag: Lag, *, collect: bool) -> dict[str, object]:
    """Return what must be unchanged or bounded; begin the peak of memory anew."""
    if collect:
        gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith("Vm")}
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return {
        "pid": os.getpid(),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "rss_bytes": kib["VmRSS"] * 1024,
        "peak_bytes": kib["VmHWM"] * 1024,
        "cpu_secs": time.process_time(),
        "lag": lag.taken(),
    }
