"""The gateway as a process: it starts with nobody to serve, and ends without cutting anybody off."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from contextlib import asynccontextmanager, contextmanager

import pytest

from smg.core.words import ConnectionMode, Runtime
from smg.sim.settings import EngineSettings
from tests.cli.running import lines_until, smg
from tests.e2e.gateways import engines
from tests.e2e.raw import JSON, exchange, get, post, talk

MODES = pytest.mark.parametrize("mode", [ConnectionMode.HTTP, ConnectionMode.GRPC], ids=["http", "grpc"])
SLOW = EngineSettings(model="sim", speed=0.5, context_length=4096)
FREE = ("--host", "127.0.0.1", "--port", "0", "--prometheus-host", "127.0.0.1", "--prometheus-port", "0")


@contextmanager
def launched(*arguments):
    """Run the command and yield the process and its port."""
    with smg("launch", *FREE, *arguments) as process:
        found = re.search(r":(\d+)$", lines_until(process, "to start with")[0])
        assert found is not None
        yield process, int(found[1])


@asynccontextmanager
async def launched_before(*urls, grace_secs):
    """Run the command before workers and wait until all are ready."""
    arguments = ("--worker-urls", *urls, "--shutdown-grace-period-secs", str(grace_secs))
    running = launched(*arguments)
    process, port = await asyncio.to_thread(running.__enter__)
    try:
        async with asyncio.timeout(20):
            while (await readiness(port))[1].get("healthy_workers") != len(urls):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield process, port
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def readiness(port):
    """Return status and document."""
    told = await exchange(port, get("/readiness"))
    return told.status, json.loads(told.body)


def stream(max_tokens):
    """Return a request for a stream of some 12 ms a token."""
    fields = {"stream": True, "max_tokens": max_tokens, "ignore_eos": True}
    body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}], **fields}
    return post("/v1/chat/completions", json.dumps(body).encode(), JSON)


async def ended(process):
    """Return the exit code."""
    return await asyncio.to_thread(process.wait, 20)


@pytest.mark.parametrize(
    "urls", [(), ("http://127.0.0.1:1", "grpc://127.0.0.1:1", "127.0.0.1:1", "http://192.0.2.1:80")]
)
async def test_it_starts_at_once_whoever_is_there(urls):
    """With no worker, and with none that answers, it is alive and says that it is not ready."""
    arguments = ("--worker-urls", *urls) if urls else ()
    with launched(*arguments) as (process, port):
        begun = time.monotonic()
        alive = await exchange(port, get("/liveness"))
        status, told = await readiness(port)
        took = time.monotonic() - begun
        process.send_signal(signal.SIGTERM)
        assert (alive.status, status, told["total_workers"]) == (200, 503, len(urls))
        assert took < 4


@MODES
async def test_sigterm_lets_a_stream_finish(mode):
    """Readiness is refused at once, the stream ends whole, new connections are refused, and the code is 0."""
    async with (
        engines((mode, Runtime.VLLM), engine=SLOW) as [engine],
        launched_before(engine.url, grace_secs=15) as (process, port),
        asyncio.TaskGroup() as callers,
    ):
        running = callers.create_task(exchange(port, stream(300)))
        await engine.ledger.until(lambda ledger: ledger.totals.open == 1)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while (told := await readiness(port))[1].get("reason") != "draining":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert told[0] == 503
        async with asyncio.timeout(5):
            while not await refused(port):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert not running.done()
        assert (await running).body.endswith(b"data: [DONE]\n\n")
        assert await ended(process) == 0


async def refused(port):
    """Tell whether the port takes no connection."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@MODES
async def test_a_second_sigterm_ends_it_at_once(mode):
    """Whoever is in a hurry does not wait for the grace; the engine is freed all the same."""
    async with (
        engines((mode, Runtime.VLLM), engine=SLOW) as [engine],
        launched_before(engine.url, grace_secs=100) as (process, port),
        asyncio.TaskGroup() as callers,
    ):
        running = callers.create_task(talk(port, stream(3000)))
        await engine.ledger.until(lambda ledger: ledger.totals.open == 1)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while (await readiness(port))[1].get("reason") != "draining":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert await ended(process) == 0
        assert time.monotonic() - begun < 5
        await engine.ledger.until(lambda ledger: ledger.totals.open == 0, 5)
        assert b"[DONE]" not in await running


@MODES
async def test_a_stream_beyond_the_grace_is_told(mode):
    """At the end of the grace it gets one error event, and the process ends."""
    async with (
        engines((mode, Runtime.VLLM), engine=SLOW) as [engine],
        launched_before(engine.url, grace_secs=1) as (process, port),
        asyncio.TaskGroup() as callers,
    ):
        running = callers.create_task(exchange(port, stream(3000)))
        await engine.ledger.until(lambda ledger: ledger.totals.open == 1)
        process.send_signal(signal.SIGTERM)
        last = (await running).body.strip().rpartition(b"\n\n")[2]
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "shutting_down"
        assert await ended(process) == 0
