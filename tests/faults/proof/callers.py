"""Callers on raw sockets, cheap enough for thousands in one process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.faults.back.asking import request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_SECS = 30.0
SOON_SECS = 0.05


class Caller(asyncio.Protocol):
    """One connection; ``begun`` is done at so many bytes of an answer, ``whole`` when a plain answer is whole."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.whole: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._data = bytearray()
        self._least = 1

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def ask(self, sent: bytes, least: int = 1) -> None:
        """Send a request; ``begun`` waits for ``least`` bytes. Raises ConnectionError if the gateway has closed."""
        if self.transport.is_closing():
            raise ConnectionError("closed before anything was asked")
        loop = asyncio.get_running_loop()
        self.begun, self.whole = loop.create_future(), loop.create_future()
        self._data, self._least = bytearray(), least
        self.transport.write(sent)

    def data_received(self, data: bytes) -> None:
        """Note what was waited for."""
        self._data += data
        if len(self._data) >= self._least and not self.begun.done():
            self.begun.set_result(None)
        head, found, body = self._data.partition(b"\r\n\r\n")
        if found and not self.whole.done():
            lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if lines and len(body) >= int(lines[0].split(b":")[1]):
                self.whole.set_result(int(head[9:12]))

    @property
    def answer(self) -> bytes:
        """What has come since the last request."""
        return bytes(self._data)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell who waits."""
        for waited in (self.begun, self.whole):
            if not waited.done():
                waited.set_exception(ConnectionError("closed"))
                waited.exception()

    async def status(self, sent: bytes) -> int:
        """Ask and return the status of the whole plain answer."""
        self.ask(sent)
        return await asyncio.wait_for(self.whole, PATIENCE_SECS)


async def call(port: int) -> Caller:
    """Connect one caller.

    From no address of its choice: with thousands just closed, the system looks through all ports for one it may bind.
    """
    _, caller = await asyncio.get_running_loop().create_connection(Caller, "127.0.0.1", port)
    return caller


async def opened(port: int, names: list[str], model: str, at_once: int = 100) -> list[Caller]:
    """Ask for a stream of each name and wait until each has begun."""
    callers: list[Caller] = []
    for start in range(0, len(names), at_once):
        some = names[start : start + at_once]
        batch = await asyncio.gather(*[call(port) for _ in some])
        for caller, name in zip(batch, some, strict=True):
            caller.ask(request(name, stream=True, model=model))
        await asyncio.wait_for(asyncio.gather(*[caller.begun for caller in batch]), PATIENCE_SECS)
        callers += batch
    return callers


async def in_lanes(names: list[str], lanes: int, work: Callable[[list[str]], Awaitable[None]]) -> None:
    """Deal the names out to so many lanes and wait for all."""
    await asyncio.gather(*[work(names[lane::lanes]) for lane in range(lanes)])


async def at_rate(
    port: int, names: list[str], per_sec: float, model: str, statuses: tuple[int, ...] = (200,)
) -> dict[str, tuple[float, float]]:
    """Ask once for each name, each when it is due whatever has become of the others.

    Returns:
        When each was due and when its whole answer was there; every answer must be one of ``statuses``.
    """
    lanes = min(64, len(names))
    begun, times = time.monotonic() + SOON_SECS, dict.fromkeys(names, (0.0, 0.0))

    async def lane(number: int) -> None:
        await asyncio.sleep(max(0, begun + number / per_sec - SOON_SECS - time.monotonic()))
        caller = await call(port)  # not sooner: a connection on which nothing is asked is soon closed
        try:
            for turn in range(number, len(names), lanes):
                due, name = begun + turn / per_sec, names[turn]
                await asyncio.sleep(max(0, due - time.monotonic()))
                assert await caller.status(request(name, stream=False, model=model)) in statuses, caller.answer
                times[name] = due, time.monotonic()
        finally:
            caller.transport.close()

    await asyncio.gather(*map(lane, range(lanes)))
    return times


def p99(samples: list[float]) -> float:
    """Return the 99th percentile."""
    ordered = sorted(samples)
    return ordered[int((len(ordered) - 1) * 0.99)]


def leave(callers: list[Caller]) -> None:
    """Go, all at once."""
    for caller in callers:
        with suppress(AttributeError):
            caller.transport.abort()
