"""A caller who leaves frees the engine within 250 ms, in every phase of a request and in both modes."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from smg.core.words import ConnectionMode, Runtime
from smg.sim.settings import EngineSettings
from tests.e2e.gateways import engines, gateway
from tests.e2e.raw import JSON, post

CHAT = "/v1/chat/completions"
LEFT_SECS = 0.25
KINDS = {
    "http-vllm": (ConnectionMode.HTTP, Runtime.VLLM),
    "http-sglang": (ConnectionMode.HTTP, Runtime.SGLANG),
    "grpc-vllm": (ConnectionMode.GRPC, Runtime.VLLM),
    "grpc-sglang": (ConnectionMode.GRPC, Runtime.SGLANG),
    "grpc-mlx": (ConnectionMode.GRPC, Runtime.MLX),
}
PHASES = {
    # what the engine does, whether a stream is asked for, what the caller waits for before it leaves
    "before-headers": ("stall", True, b""),
    "before-the-first-token": ("hang_head", True, b""),
    "mid-stream": (None, True, b'"content":"'),
    "idle-stream": ("stall_after:2", True, b'"content":"'),
    "plain-before-headers": ("stall", False, b""),
    "plain-while-it-decodes": (None, False, b""),
}
SLOW = EngineSettings(model="sim", speed=0.5, context_length=4096)


@asynccontextmanager
async def caller(port, sent):
    """Send a request on a connection that is cut on leaving."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        yield reader
    finally:
        writer.transport.abort()


def ask(stream):
    """Return a request that takes some 20 s to answer."""
    fields = {"stream": stream, "max_tokens": 2000, "ignore_eos": True}
    body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}], **fields}
    return post(CHAT, json.dumps(body).encode(), JSON)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
async def test_leaving_frees_the_engine(kind, phase):
    """By the engine's own ledger the request is aborted in time; the worker's slot is free and it still serves."""
    fault, stream, wanted = PHASES[phase]
    async with engines(KINDS[kind], engine=SLOW) as [engine], gateway([engine.url]) as front:
        [worker] = front.registry.fleet.workers.values()
        if fault:
            engine.faults.set(fault)
        async with caller(front.port, ask(stream)) as reader:
            await engine.ledger.until(lambda ledger: ledger.totals.open == 1)
            if wanted:
                await asyncio.wait_for(reader.readuntil(wanted), 10)
            elif fault is None:
                await engine.ledger.until(lambda ledger: ledger.last.tokens > 2)
            left_at = time.monotonic()
        await engine.ledger.until(lambda ledger: ledger.totals.aborted == 1)
        took = time.monotonic() - left_at
        async with asyncio.timeout(LEFT_SECS):
            await worker.idle()
        scheduler = engine.machine.schedulers[0]

        assert took <= LEFT_SECS
        assert (scheduler.running, scheduler.waiting) == (0, 0)
        assert worker.available


@pytest.mark.parametrize("kind", KINDS)
async def test_leaving_while_a_retry_is_due_ends_it(kind):
    """A caller who leaves between two attempts is not tried for again."""
    waiting = {"worker_defaults": {"retry": {"initial_backoff_ms": 30_000}}}
    async with (
        engines(KINDS[kind], KINDS[kind]) as running,
        gateway([engine.url for engine in running], **waiting) as front,
    ):
        for engine in running:
            engine.faults.set("status:503")
        async with caller(front.port, ask(stream=True)), asyncio.timeout(10):
            while not sum(engine.ledger.totals.failed for engine in running):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        async with asyncio.timeout(LEFT_SECS):
            await front._running.wait_idle()

        assert sum(engine.ledger.totals.started for engine in running) <= 2
