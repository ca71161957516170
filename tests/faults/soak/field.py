"""The workers of a soak, and the gateway before them as its operator and its callers see it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping

    from tests.faults.soak.ills import Ill
    from tests.faults.soak.ledger import Asked, Ledger

ADD_SECS = 15.0
FROZEN = "grpc-frozen"
THAW_SECS = 1.5
"""How long a worker that was frozen reads what had been sent to it meanwhile."""

AFTER_SECS = 6.0
"""How long after a worker is well again what it broke may still end: the longest clock that has begun by then."""

SETTINGS: dict[str, Any] = {
    "worker_defaults": {
        "timeouts": {
            "connect_secs": 1.0,
            "first_byte_secs": 2.0,
            "first_token_secs": 2.0,
            "between_chunks_secs": 2.0,
            "total_secs": 20.0,
        },
        "health": {"check_interval_secs": 1.0, "retry_interval_secs": 0.5, "timeout_secs": 1.0},
    },
}


@dataclass
class Spell:
    """One worker's illness; ``until`` is infinite while it lasts."""

    name: str
    backend: str
    since: float
    until: float = float("inf")


@dataclass
class Field:
    """Everything but the callers."""

    port: int
    backends: list[Any]
    ledger: Ledger
    play: Asked
    spells: list[Spell] = field(default_factory=list)

    async def befall(self, name: str, ill: Ill, backend: Any, secs: float) -> None:
        """Make one worker ill for so long."""
        spell = Spell(name, backend.name, time.monotonic())
        self.spells.append(spell)
        await ill.begin(self, backend)
        try:
            await asyncio.sleep(secs)
        finally:
            await ill.heal(self, backend)
            spell.until = time.monotonic()

    def was_ill(self, backend: str, since: float, until: float) -> bool:
        """Tell whether a worker was ill at any time between two."""
        return any(
            spell.backend == backend and spell.since <= until and since <= spell.until + AFTER_SECS
            for spell in self.spells
        )

    def unread(self, at: float, backend: str = "") -> bool:
        """Tell whether a worker, or this one, was frozen at a time: it notes only later what it was asked before."""
        return any(
            spell.name == FROZEN and backend in {"", spell.backend} and spell.since <= at <= spell.until + THAW_SECS
            for spell in self.spells
        )

    async def remove(self, backend: Any) -> None:
        """Take a worker out through the API."""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session:
            async with session.get("/workers") as told:
                workers = (await told.json())["workers"]
            worker = next(worker for worker in workers if worker["url"] == backend.url)
            async with session.delete(f"/workers/{worker['id']}") as told:
                assert told.status < 300, await told.text()

    async def add(self, backend: Any) -> None:
        """Put it in again; the API refuses while it is still on its way out."""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session, asyncio.timeout(ADD_SECS):
            while True:
                async with session.post("/workers", json=spec(backend)) as told:
                    if told.status < 300:
                        return
                await asyncio.sleep(0.1)


def spec(backend: Any) -> dict[str, str]:
    """Return how a worker is registered."""
    return {"url": backend.url, "runtime_type": "sglang"}


def drawn(rng: random.Random, ills: Mapping[str, Ill], backends: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield illnesses and whom they befall without end: each kind once before any comes again."""
    while True:
        for name in rng.sample(list(ills), len(ills)):
            yield name, rng.choice([each for each in backends if each.name.startswith(ills[name].mode)])
