"""Callers of a benchmark, in a process of their own; prints one line of JSON.

usage: python -m scripts.bench.load requests PORT CONNECTIONS SECS [PROMPT_BYTES]
       python -m scripts.bench.load paced PORT CONNECTIONS SECS RATE       (so many requests a second, together)
       python -m scripts.bench.load streams PORT STREAMS ROUNDS
       python -m scripts.bench.load hold PORT STREAMS          (holds them open until standard input ends)
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import cast

import uvloop
from typing_extensions import override

PROMPT_BYTES = 700
LAST_CHUNK = b"0\r\n\r\n"
PATIENCE_SECS = 60.0


def request(prompt_bytes: int, **more: object) -> bytes:
    """Return the bytes of one chat request."""
    words = "Tell me a long story about routers. " * (prompt_bytes // 36 + 1)
    told = {"model": "tiny", "messages": [{"role": "user", "content": words[:prompt_bytes]}], **more}
    body = json.dumps(told, separators=(",", ":")).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered.

    Attributes:
        secs: How long each answer took.
        first_secs: How long its first byte took.
        chunks: Events with a token seen.
        failed: Answers that were no 200, or broke off.
    """

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._asked = 0.0
        self._begun = False
        self._data = b""
        self._answered: asyncio.Future[None] | None = None
        self.secs: list[float] = []
        self.first_secs: list[float] = []
        self.chunks = self.failed = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    async def ask(self) -> None:
        """Ask once and wait for the answer's end."""
        self._answered = asyncio.get_running_loop().create_future()
        self._begun, self._data, self._asked = False, b"", time.perf_counter()
        self.transport.write(self._sent)
        await self._answered

    @override
    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begin(data)
        self.chunks += data.count(b'"content"') if self._events else 0
        self._data = (self._data + data)[-len(LAST_CHUNK) :] if self._events else self._data + data
        if self._data == LAST_CHUNK if self._events else len(self._data) >= self._length:
            self._end()

    def _begin(self, data: bytes) -> None:
        self._begun = True
        self.first_secs.append(time.perf_counter() - self._asked)
        self.failed += not data.startswith(b"HTTP/1.1 200")
        head = data[: data.index(b"\r\n\r\n")].lower()
        at = head.find(b"content-length: ")
        self._events = at < 0
        self._length = len(head) + 4 + (0 if self._events else int(head[at + 16 :].split(b"\r\n")[0]))

    def _end(self) -> None:
        self.secs.append(time.perf_counter() - self._asked)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self.failed += 1
            self._answered.set_exception(ConnectionError("closed"))


async def connected(port: int, many: int, sent: bytes) -> list[Caller]:
    """Open so many connections."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Caller(sent), "127.0.0.1", port) for _ in range(many)]
    return [caller for _, caller in made]


async def requests(port: int, connections: int, secs: float, prompt_bytes: int = PROMPT_BYTES) -> dict[str, float]:
    """Ask on every connection for so long."""
    callers = await connected(port, connections, request(prompt_bytes))
    begun = time.perf_counter()

    async def lane(caller: Caller) -> None:
        while time.perf_counter() - begun < secs:
            await caller.ask()

    await asyncio.gather(*map(lane, callers), return_exceptions=True)
    return told(callers, time.perf_counter() - begun)


async def paced(port: int, connections: int, secs: float, rate: int) -> dict[str, float]:
    """Ask so many times a second for so long, the connections in turn."""
    callers = await connected(port, connections, request(PROMPT_BYTES))
    begun = time.perf_counter()

    async def lane(turn: int, caller: Caller) -> None:
        for number in range(turn, int(rate * secs), connections):
            await asyncio.sleep(begun + number / rate - time.perf_counter())
            await caller.ask()

    await asyncio.gather(*(lane(*each) for each in enumerate(callers)), return_exceptions=True)
    return told(callers, time.perf_counter() - begun)


async def streams(port: int, many: int, rounds: int) -> dict[str, float]:
    """Have so many streams at once, so many times."""
    callers = await connected(port, many, request(PROMPT_BYTES, stream=True))
    begun = time.perf_counter()

    async def lane(caller: Caller) -> None:
        for _ in range(rounds):
            await caller.ask()

    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*map(lane, callers), return_exceptions=True), PATIENCE_SECS)
    return told(callers, time.perf_counter() - begun)


async def hold(port: int, many: int) -> dict[str, float]:
    """Open streams that fall silent after their first event; hold them until standard input ends."""
    callers = await connected(port, many, request(PROMPT_BYTES, stream=True, user="idle"))
    asked = [asyncio.get_running_loop().create_task(caller.ask()) for caller in callers]
    deadline = time.monotonic() + PATIENCE_SECS
    while not all(caller.chunks for caller in callers) and time.monotonic() < deadline:  # noqa: ASYNC110 - bytes come, nobody signals
        await asyncio.sleep(0.05)
    print("held", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in asked:
        task.cancel()
    return {**told(callers, 0.0), "failed": float(sum(not caller.chunks for caller in callers))}


def told(callers: list[Caller], secs: float) -> dict[str, float]:
    """Return the figures of all callers together."""
    answers = sorted(each for caller in callers for each in caller.secs)
    firsts = sorted(each for caller in callers for each in caller.first_secs)
    counts = {name: float(sum(getattr(caller, name) for caller in callers)) for name in ("chunks", "failed")}
    return {
        **counts,
        "requests": float(len(answers)),
        "secs": secs,
        "p50_secs": quantile(answers, 0.5),
        "p99_secs": quantile(answers, 0.99),
        "first_p50_secs": quantile(firsts, 0.5),
        "first_p99_secs": quantile(firsts, 0.99),
    }


def quantile(ordered: list[float], share: float) -> float:
    """Return a quantile; not a number where there is nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


WAYS = {"requests": requests, "paced": paced, "streams": streams, "hold": hold}


async def run(way: str, *words: float) -> dict[str, float]:
    """Call in one of the ways; the callers' own processor time is among the figures."""
    before = time.process_time()
    figures = await WAYS[way](*words)  # type: ignore[operator]
    return {**figures, "cpu_secs": time.process_time() - before}


if __name__ == "__main__":
    numbers = [float(word) if "." in word else int(word) for word in sys.argv[2:]]
    print(json.dumps(uvloop.run(run(sys.argv[1], *numbers))))
