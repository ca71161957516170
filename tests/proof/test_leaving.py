"""4,000 callers of idle streams leave at once: every engine is told within 2 s and nothing is left."""

from __future__ import annotations

import asyncio
import time

import pytest

from smg.core.words import ConnectionMode, Runtime
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from tests.proof.callers import call, request_bytes
from tests.proof.processes import gateway_process

ENGINE = EngineSettings(model="sim", speed=0, max_running=10_000, kv_tokens=10_000_000, ledger_size=10_000)
BATCH = 200


async def open_streams(port, count):
    """Open ``count`` streams and wait until each has its first token."""
    callers = []
    request = request_bytes("sim", stream=True)
    for _ in range(0, count, BATCH):
        batch = await asyncio.gather(*[call(port) for _ in range(BATCH)])
        for caller in batch:
            caller.ask(request, b'"content":"')
        await asyncio.wait_for(asyncio.gather(*[caller.first for caller in batch]), 60)
        callers += batch
    return callers


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mode", "runtime"),
    [
        pytest.param(ConnectionMode.HTTP, Runtime.VLLM, id="http"),
        pytest.param(ConnectionMode.GRPC, Runtime.VLLM, id="grpc-vllm"),
        pytest.param(ConnectionMode.GRPC, Runtime.SGLANG, id="grpc-sglang"),
    ],
)
async def test_4000_leave(mode, runtime):
    """By the engine's own ledger all 4,000 are aborted within 2 s; the gateway is as it was."""
    await leave(mode, runtime, 4000)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [ConnectionMode.HTTP, ConnectionMode.GRPC], ids=["http", "grpc"])
async def test_some_leave(mode):
    """The same with 200 callers."""
    await leave(mode, Runtime.VLLM, 200)


async def leave(mode, runtime, count):
    """Open, leave, and look at both ledgers."""
    async with SimEngine(mode, runtime, ENGINE) as engine:
        engine.faults.set("stall_after:1")
        pool = {"max_connections": 8192}
        async with gateway_process([{"url": engine.url, "http_pool": pool}]) as gateway:
            before = await gateway.ask()
            callers = await open_streams(before["port"], count)
            held = await gateway.ask()
            for caller in callers:
                caller.transport.abort()
            left_at = time.monotonic()
            await engine.ledger.until(lambda ledger: ledger.totals.aborted >= count, 10)
            took = time.monotonic() - left_at
            after = await gateway.until(lambda state: state["in_flight"] == 0 and state["tasks"] <= before["tasks"], 5)
    print(f"\n{mode.value} {runtime.value}: {count} ends after {took:.2f} s; held {held}; after {after}")  # noqa: T201

    assert held["in_flight"] == count
    assert engine.ledger.totals.aborted == count
    assert took <= 2
    assert after["descriptors"] <= before["descriptors"] + 4
