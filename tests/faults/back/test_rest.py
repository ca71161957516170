"""R01: after many requests, a share of which fail, nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from tests.faults import profile
from tests.faults.back.book import until
from tests.faults.back.facing import at_once, facing, good
from tests.faults.back.steps import Reset, Status

FAILING = {"http": (Reset(),), "grpc": (Status(13),)}


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("mode", ["http", "grpc"])
async def test_r01_nothing_stays_behind(mode):
    """Descriptors and tasks are as they were, and nothing waits for the collector with a finaliser."""
    breaker: dict[str, Any] = {"worker_defaults": {"breaker": {"disabled": True}, "pool": {"idle_timeout_secs": 0.2}}}
    async with facing(mode, good(mode, stream=False), **breaker) as scene:

        async def some(many: int, prefix: str) -> None:
            for number in range(0, many, 20):
                scene.backends[0].script = FAILING[mode] if number % 400 == 0 else None
                await at_once(scene, 20, stream=False, prefix=f"{prefix}{number}.")
            await scene.clean()
            await asyncio.sleep(0.6)  # kept-alive connections go
            gc.collect()

        await some(100, "warm")
        before = descriptors(), len(asyncio.all_tasks())
        await some(profile.count(100_000, least=600), "r")
        await until(lambda: descriptors() <= before[0] and len(asyncio.all_tasks()) <= before[1])
        assert gc.garbage == []
