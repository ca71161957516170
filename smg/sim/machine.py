"""The inside of one engine, which its HTTP or gRPC server stands in front of."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from smg.sim.answers import fingerprint
from smg.sim.asks import Ask, RefusedError
from smg.sim.faults import Fault, Faults, meet
from smg.sim.ledger import Ledger
from smg.sim.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smg.core.clock import Clock
    from smg.core.words import Runtime
    from smg.sim.generations import Generation
    from smg.sim.ledger import Record
    from smg.sim.settings import EngineSettings

VERSIONS = {"sglang": "0.5.23", "vllm": "0.32.0", "mlx": "0.31.0"}


class Machine:
    """One engine: a scheduler per rank, one ledger, one set of faults.

    Attributes:
        healthy: What health checks answer; settable.
    """

    def __init__(self, settings: EngineSettings, runtime: Runtime, clock: Clock) -> None:
        self.settings = settings
        self.runtime = runtime
        self.clock = clock
        self.started_at = clock.now()
        self.version = VERSIONS.get(runtime.value, "0.0.0")
        self.ledger = Ledger(settings, clock)
        self.schedulers = tuple(Scheduler(settings, clock, told=self.ledger.tell) for _ in range(settings.ranks))
        self.faults = Faults()
        self.healthy = True

    def rank(self, asked: int | None) -> int:
        """Return the rank that serves a request: the asked one, if there, else the least loaded."""
        if asked is None:
            return min(
                range(len(self.schedulers)), key=lambda r: self.schedulers[r].running + self.schedulers[r].waiting
            )
        if not 0 <= asked < len(self.schedulers):
            raise RefusedError(f"data_parallel_rank {asked} is out of range [0, {len(self.schedulers)})")
        return asked

    def load(self, rank: int) -> int:
        """Return how many requests a rank has, running or waiting."""
        return self.schedulers[rank].running + self.schedulers[rank].waiting

    async def meet_fault(self, asked: str | None, record: Record) -> Fault | None:
        """Do what the request's fault does at the start; return it for what it does later."""
        fault = self.faults.of(asked, record.rank)
        await meet(fault)
        return fault

    @contextmanager
    def generating(self, ask: Ask, record: Record, fault: Fault | None) -> Iterator[Generation]:
        """Run a request for as long as the block lasts; leaving early frees its place at once."""
        match fault:
            case Fault("stall_after", count):
                ask = msgspec.structs.replace(ask, hold_after=int(count))
            case Fault("cut", count):
                ask = msgspec.structs.replace(ask, fail_after=int(count))
            case _:
                pass
        scheduler = self.schedulers[record.rank]
        generation = scheduler.submit(ask, record)
        try:
            yield generation
        finally:
            if any(choice.ended == "aborted" for choice in generation.choices):
                record.ended = "aborted"
            scheduler.leave(generation)

    def abort(self, request_id: str) -> bool:
        """End all requests of an id; tell whether there was any."""
        return sum(scheduler.abort(request_id) for scheduler in self.schedulers) > 0

    def flush(self) -> None:
        """Forget all cached prefixes that no request holds."""
        for scheduler in self.schedulers:
            scheduler.cache.clear()

    def embedding(self, token_ids: Sequence[int], dimensions: int | None = None) -> list[float]:
        """Return a vector of length 1 made from the tokens."""
        numbers = [
            fingerprint(tuple(token_ids), index=place) / 2**63 - 1
            for place in range(dimensions or self.settings.embedding_dim)
        ]
        norm = math.sqrt(sum(number * number for number in numbers))
        return [number / norm for number in numbers]
