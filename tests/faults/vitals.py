"""What a process tells of itself while it is tried."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TICK_SECS = 0.005


class Lag:
    """How late a timer of 5 ms of the event loop comes."""

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

    def taken(self) -> dict[str, Any]:
        """Return the longest, the number of samples since the last call, and those later than a tick, longest first."""
        samples, self._samples = sorted(self._samples, reverse=True) or [0.0], []
        late = [round(sample, 4) for sample in samples if sample > TICK_SECS]
        return {"max": samples[0], "ticks": len(samples), "late": late}


def p999(told: Sequence[Mapping[str, Any]]) -> float:
    """Return the 99.9th percentile of all samples of several calls; a tick where it is no later than that."""
    late = sorted((sample for lag in told for sample in lag["late"]), reverse=True)
    beyond = int(sum(lag["ticks"] for lag in told) * 0.001)
    return late[beyond] if beyond < len(late) else TICK_SECS


def vitals(lag: Lag, *, collect: bool) -> dict[str, object]:
    """Return what must be unchanged or bounded; begin the peak of memory anew."""
    if collect:
        gc.collect()
    rss_bytes, peak_bytes = memory()
    return {
        "pid": os.getpid(),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "rss_bytes": rss_bytes,
        "peak_bytes": peak_bytes,
        "cpu_secs": time.process_time(),
        "lag": lag.taken(),
    }


def memory() -> tuple[int, int]:
    """Return what this process has in memory, and the most there was since the last call; in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith("Vm")}
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return kib["VmRSS"] * 1024, kib["VmHWM"] * 1024
