"""Minutes of load before four workers, one of which is ill for some seconds out of every ten."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.back.book import until
from tests.faults.back.grpc_backend import GrpcBackend
from tests.faults.back.http_backend import HttpBackend
from tests.faults.processes import program
from tests.faults.soak.callers import Callers
from tests.faults.soak.field import SETTINGS, Field, drawn, spec
from tests.faults.soak.figures import Figure
from tests.faults.soak.ills import ILLS
from tests.faults.soak.judge import Judge
from tests.faults.soak.ledger import Asked, Ledger
from tests.faults.soak.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KINDS = {"http": HttpBackend, "grpc": GrpcBackend}
EACH = 2
EVERY_SECS = 10.0
ILL_SECS = (3.0, 6.0)
WELL_BEFORE_SECS = 2.0
LAST_SECS = 60.0
WARM_SECS = 3.0
"""Every worker has answered by then, and its connections are made."""


@dataclass
class Soak:
    """One run.

    Attributes:
        say: Takes a line every ten seconds.
    """

    seed: int
    rate: float
    say: Callable[[str], None]
    ills: tuple[str, ...] = tuple(ILLS)

    async def run(self, secs: float) -> tuple[list[Figure], list[str]]:
        """Return the figures, and what was wrong."""
        rng = random.Random(self.seed)
        async with fielded() as (field, watch):
            judge = Judge(field.ledger, field)
            callers = Callers(field.port, random.Random(rng.random()), judge.take)
            await callers.run(WARM_SECS, self.rate)
            await watch.begin()
            async with asyncio.TaskGroup() as group:
                aside = [group.create_task(each) for each in (watch.run(), judge.run())]
                trouble = group.create_task(self._trouble(field, rng, Told(callers, judge, watch), secs))
                await callers.run(secs, self.rate)
                await trouble
                await until(lambda: judge.judged == callers.asked.total(), LAST_SECS)
                for task in aside:
                    task.cancel()
            await watch.end()
            return figures(field, callers, judge, watch), [*judge.wrong, *errors_in(watch)]

    async def _trouble(self, field: Field, rng: random.Random, told: Told, secs: float) -> None:
        """Let something befall a worker every ten seconds, and all be well at the end."""
        begun, drawing = time.monotonic(), drawn(rng, {name: ILLS[name] for name in self.ills}, field.backends)
        for number in range(int(secs // EVERY_SECS)):
            await asyncio.sleep(max(0.0, begun + number * EVERY_SECS + WELL_BEFORE_SECS - time.monotonic()))
            name, backend = next(drawing)
            await field.befall(name, ILLS[name], backend, rng.uniform(*ILL_SECS))
            await asyncio.sleep(max(0.0, begun + (number + 1) * EVERY_SECS - time.monotonic()))
            self.say(f"{time.monotonic() - begun:5.0f} s  {f'{name} at {backend.name}':26} {told}")


@dataclass
class Told:
    """How it goes, in one line."""

    callers: Callers
    judge: Judge
    watch: Watch

    def __str__(self) -> str:
        ends, attempts = self.judge.ends, self.judge.ledger.total
        counts = "  ".join(f"{name} {ends[name]}" for name in ("whole", "broken", "left", "failed"))
        return (
            f"{counts}  attempts {attempts / max(1, self.callers.asked.total()):.3f}"
            f"  rss {self.watch.rss_bytes >> 20} MiB  lag {self.watch.lag_secs * 1e3:.0f} ms"
        )


@asynccontextmanager
async def fielded() -> AsyncIterator[tuple[Field, Watch]]:
    """Run the engines in this process and the gateway in its own."""
    ledger = Ledger()
    play = Asked(ledger=ledger)
    async with AsyncExitStack() as stack:
        backends: list[Any] = [
            kind(f"{mode}{number}", ledger, play) for mode, kind in KINDS.items() for number in range(EACH)
        ]
        for backend in backends:
            await stack.enter_async_context(backend)
        tree = {**SETTINGS, "workers": [spec(backend) for backend in backends]}
        gateway = stack.enter_context(program("tests.faults.gateway_process", json.dumps(tree)))
        told = await asyncio.to_thread(gateway.until, lambda told: told["ready"] == len(backends))
        yield Field(told["port"], backends, ledger, play), Watch(gateway)


def errors_in(watch: Watch) -> list[str]:
    """Return the gateway's log lines that tell of faults of its own."""
    return [f"logged: {json.dumps(line)[:500]}" for line in watch.gateway.logged("error", "critical")]


def figures(field: Field, callers: Callers, judge: Judge, watch: Watch) -> list[Figure]:
    """Return everything measured."""
    asked = callers.asked.total()
    heard = sum("had been heard" in line for line in judge.wrong) + len(field.ledger.late)
    return [
        Figure("requests", asked),
        Figure("faults", len(field.spells)),
        Figure("kinds of faults", len({spell.name for spell in field.spells})),
        Figure("outcomes missing or one too many", abs(asked - judge.judged), most=0),
        Figure("streams broken after output by a worker that was ill", judge.ends["broken"]),
        Figure("left by their callers", judge.ends["left"]),
        Figure("availability, % of those that could be whole", 100 * judge.availability, least=99.95),
        Figure("failures without an explanation", judge.ends["failed"], most=0),
        Figure("other broken promises", len(judge.wrong) - judge.ends["failed"], most=0),
        Figure("tried again after output, or after the end", heard, most=0),
        Figure("attempts per request", field.ledger.total / max(1, asked), most=1.10),
        Figure("least requests in flight", watch.least_in_flight, least=0),
        *(Figure(f"{name} left over", watch.left.get(name, 0), most=0) for name in watch.rest),
        Figure("growth of memory in the last third, %", 100 * watch.growth_ratio, most=2),
        Figure("memory, MiB", watch.rss_bytes / (1 << 20)),
        Figure("error lines in the log", len(errors_in(watch)), most=0),
        Figure("longest delay of the loop, ms", 1e3 * watch.lag_secs),
        Figure("the same of the loop of callers and engines, ms", 1e3 * watch.here_secs),
    ]
