"""A gateway in this process before scripted backends, under the test profile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from smg.core.words import LifeState
from smg.server.lifecycle import Gateway
from smg.server.schema import Settings
from tests.faults import profile
from tests.faults.back import grpc_words, http_words
from tests.faults.back.asking import ask, request
from tests.faults.back.book import Book, until
from tests.faults.back.grpc_backend import GrpcBackend
from tests.faults.back.http_backend import HttpBackend
from tests.faults.back.steps import Play, Send
from tests.faults.control import CONTROL, forwarding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.workers.worker import Worker
    from tests.faults.back.asking import Answer
    from tests.faults.back.steps import Script

CLOCKS = {
    "connect_secs": max(0.5, profile.secs(1)),
    "first_byte_secs": profile.secs(5),
    "first_token_secs": profile.secs(5),
    "between_chunks_secs": profile.secs(5),
    "total_secs": profile.secs(60),
}
SPARSE = {
    "worker_defaults": {"health": {"check_interval_secs": 600.0}, "timeouts": CLOCKS, "clocks": CLOCKS},
    "streams": {"max_event_bytes": profile.MIB},
}
"""The profile, with probes so rare that none falls into a test: what is seen is the doing of requests alone."""


PATIENCE_SECS = 12.0 if CONTROL else 30.0
"""The control knows no clock; by then every answer of the short run is due."""


@dataclass
class Control:
    """Stands in the gateway's place; a case that looks into the gateway cannot be asked of it."""

    port: int

    def __getattr__(self, name: str) -> Any:
        """Leave the case out."""
        pytest.skip(f"the control has no {name}")


@dataclass
class Scene:
    """A gateway, its backends, and what they saw."""

    gateway: Any
    book: Book
    play: Play
    backends: list[Any] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where callers ask."""
        return int(self.gateway.port)

    @property
    def workers(self) -> list[Worker]:
        """The gateway's workers, in the backends' order."""
        known = {worker.base_url: worker for worker in self.gateway.registry.fleet.workers.values()}
        return [known[backend.url] for backend in self.backends if backend.url in known]

    async def ask(
        self, request_id: str = "r", *, stream: bool, within_secs: float = PATIENCE_SECS, **more: Any
    ) -> Answer:
        """Ask once."""
        return await ask(self.port, request(request_id, stream=stream, **more), within_secs)

    async def clean(self) -> None:
        """Wait until nothing runs any more, at the gateway and at the backends."""
        await until(lambda: not self.book.running and (CONTROL or self._idle()))

    def _idle(self) -> bool:
        return all(worker.in_flight == 0 for worker in self.workers)


@asynccontextmanager
async def facing(
    mode: str, *acts: Script, workers: int = 2, setup: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[Scene]:
    """Run a gateway before so many backends, all ready; ``setup`` sets their attributes before they serve."""
    if CONTROL and (mode == "grpc" or not workers):
        pytest.skip("the control has one worker, over HTTP")
    book, play = Book(), Play(acts)
    kind = GrpcBackend if mode == "grpc" else HttpBackend
    tree = profile.merged(SPARSE, changes)
    async with AsyncExitStack() as stack:
        backends = [kind(f"b{number}", book, play) for number in range(workers)]
        for backend in backends:
            for name, value in (setup or {}).items():
                setattr(backend, name, value)
            await stack.enter_async_context(backend)
        if CONTROL:
            yield Scene(Control(await stack.enter_async_context(forwarding(backends[0].url))), book, play, backends)
            return
        tree["workers"] = [{"url": backend.url, "runtime_type": "sglang"} for backend in backends]
        gateway = await stack.enter_async_context(Gateway(msgspec.convert(profile.settings(**tree), Settings)))
        scene = Scene(gateway, book, play, backends)
        await ready(gateway, workers)
        yield scene


async def ready(gateway: Gateway, count: int, within_secs: float = 20.0) -> float:
    """Wait until so many workers are ready; return how long it took."""

    def enough() -> bool:
        workers = gateway.registry.fleet.workers.values()
        return sum(worker.life.state is LifeState.READY for worker in workers) >= count

    return await until(enough, within_secs)


def good(mode: str, *, stream: bool) -> Script:
    """Return the script of an engine that does its work."""
    return grpc_words.good(stream=stream) if mode == "grpc" else http_words.good(stream=stream)


async def at_once(scene: Scene, count: int, *, stream: bool, prefix: str = "r") -> list[Answer]:
    """Ask so often at the same time."""
    return list(await asyncio.gather(*[scene.ask(f"{prefix}{n}", stream=stream) for n in range(count)]))


def be_well(backend: Any, *, well: bool) -> None:
    """Have an engine say that it is well, or not; it serves in any case."""
    backend.well = well
    backend.health = None if well else (Send(http_words.plain(b"", status=503)),)
