"""``smg launch --processes 2`` as processes of their own, and questions to all of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.raw import JSON, Message, exchange, get, post, talk
from tests.e2e.settings import NO_FAST_LANE
from tests.faults.profile import ALONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FREE = ("--host", "127.0.0.1", "--port", "0", "--prometheus-host", "127.0.0.1", "--prometheus-port", "0")
QUICK = ("--health-check-interval-secs", "0.2", "--worker-startup-check-interval", "0.05")
LANE = ("--no-fast-lane",) if NO_FAST_LANE else ()
ENOUGH = 40
"""So many connections miss one of two processes once in 2**39 times."""
PATIENCE_SECS = 30.0
SEEN_SECS = 1.0 if ALONE else 20.0
"""Within which all processes see a change; judged where nothing else runs."""


def chat(model: str = "sim", **fields: Any) -> bytes:
    """Return a chat request on a connection of its own."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, **fields}
    return post("/v1/chat/completions", json.dumps(body).encode(), JSON)


@dataclass(frozen=True)
class Several:
    """A gateway of several processes.

    Attributes:
        process: The supervisor.
        log: Everything written to standard error.
    """

    process: subprocess.Popen[str]
    log: Any
    port: int
    metrics_port: int

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and document, over a connection of its own."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = post(path, content, JSON).replace(b"POST", method.encode(), 1)
        told = await exchange(self.port, sent)
        return told.status, json.loads(told.body)

    async def everywhere(self, sent: bytes, count: int = ENOUGH) -> list[Message]:
        """Send a request so often that every process gets some; return the answers."""
        return [await exchange(self.port, sent) for _ in range(count)]

    async def until(self, sent: bytes, status: int, count: int = ENOUGH) -> None:
        """Ask until every process answers with ``status``, which all do soon."""
        async with asyncio.timeout(SEEN_SECS):
            while {answer.status for answer in await self.everywhere(sent, count)} != {status}:
                pass

    async def until_ready(self, workers: int) -> None:
        """Wait until every process has so many healthy workers."""
        async with asyncio.timeout(PATIENCE_SECS):
            while not all(
                json.loads(answer.body)["healthy_workers"] == workers
                for answer in await self.everywhere(get("/readiness"))
            ):
                pass

    async def series(self, name: str) -> dict[tuple[str, ...], float]:
        """Return a metric's samples by the values of their labels."""
        page = (await exchange(self.metrics_port, get("/metrics"))).body.decode()
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        return {tuple(sample.labels.values()): sample.value for sample in samples if sample.name == name}

    async def counted(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        return sum((await self.series(name)).values())

    def pids(self) -> set[int]:
        """Return the processes that serve."""
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    async def killed(self, pid: int) -> None:
        """Kill one of them and wait until it is gone with all its threads, and its sockets are closed."""
        ended = len(self.logged("process.ended"))
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECS):
            while len(self.logged("process.ended")) == ended:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def sockets(self, status: str) -> dict[int, int]:
        """Return how many sockets in this state each of them has on the port that callers reach."""

        def count(pid: int) -> int:
            with suppress(psutil.Error):
                found = psutil.Process(pid).net_connections("tcp")
                return sum(one.status == status and one.laddr.port == self.port for one in found)
            return 0

        return {pid: await asyncio.to_thread(count, pid) for pid in self.pids()}

    async def ended(self) -> int:
        """Return the exit code."""
        return await asyncio.to_thread(self.process.wait, PATIENCE_SECS)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log that tell of ``event``."""
        text = os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode()
        lines = [json.loads(line) for line in text.splitlines()]
        return [line for line in lines if line["event"] == event]


@asynccontextmanager
async def several(*urls: str, arguments: tuple[str, ...] = (), processes: int = 2) -> AsyncIterator[Several]:
    """Run the command over these workers until all are ready in all processes; nothing is left when it ends."""
    workers = ("--worker-urls", *urls) if urls else ()
    command = (sys.executable, "-m", "smg", "launch", *FREE, *QUICK, *LANE, "--processes", str(processes))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMG_")}
    with tempfile.TemporaryFile() as log:
        process = await asyncio.to_thread(
            subprocess.Popen,
            [*command, *workers, *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
        )
        assert process.stdout is not None
        try:
            lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(3)]
            ports = [int(found[1]) for line in lines[:2] if (found := re.search(r":(\d+)(/metrics)?$", line.strip()))]
            gateway = Several(process, log, *ports)
            await gateway.until_ready(len(urls))
            yield gateway
        finally:
            await asyncio.to_thread(_end, process)
            process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    """Have all end at once, so that engines see them leave; who does not is killed."""
    children = psutil.Process(process.pid).children() if process.poll() is None else []
    for _ in range(2):
        with suppress(subprocess.TimeoutExpired):
            process.send_signal(signal.SIGTERM)
            process.wait(0.2)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def streamed(max_tokens: int) -> bytes:
    """Return a request for a stream of so many tokens."""
    return chat(stream=True, max_tokens=max_tokens, ignore_eos=True)


async def whole(port: int, sent: bytes) -> bool:
    """Whether a stream comes to its proper end."""
    try:
        return b"data: [DONE]\n\n" in await talk(port, sent)
    except ConnectionError:
        return False
