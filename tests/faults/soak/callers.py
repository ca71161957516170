"""Callers in an open loop: some wait for whole answers, some stream, some leave, some read slowly."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.back import asking
from tests.faults.soak.ledger import STREAMED

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.faults.back.asking import Answer

HANG_SECS = 30.0
LEAVES_WITHIN_SECS = 0.2
SIP_BYTES = 1_024
SIP_SECS = 0.02
KINDS = {"plain": 45, "stream": 40, "leaving": 10, "slow": 5}
"""Kinds of callers and their shares; a request's id begins with its kind."""


@dataclass
class Outcome:
    """How one request ended at its caller.

    Attributes:
        answer: None where the caller left, or got nothing.
        fault: Why the caller got nothing: it hung, or could not connect.
    """

    request_id: str
    begun_at: float
    ended_at: float = 0.0
    answer: Answer | None = None
    fault: str = ""

    @property
    def kind(self) -> str:
        """The kind of the caller."""
        return self.request_id.partition(".")[0]


class Sipping:
    """Reads a little at a time."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self, most: int) -> bytes:
        """Return a little."""
        await asyncio.sleep(SIP_SECS)
        return await self._reader.read(min(most, SIP_BYTES))


@dataclass
class Callers:
    """Asks at a rate whatever comes back, and hands over each outcome once."""

    port: int
    rng: random.Random
    done: Callable[[Outcome], None]
    asked: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, secs: float, rate: float) -> None:
        """Ask for so long, then wait for the last answers."""
        begun, loop = time.monotonic(), asyncio.get_running_loop()
        for number in range(int(secs * rate)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            (kind,) = self.rng.choices(list(KINDS), list(KINDS.values()))
            self.asked[kind] += 1
            task = loop.create_task(self._call(f"{kind}.{self.asked.total()}", self.rng.random()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _call(self, request_id: str, chance: float) -> None:
        outcome = Outcome(request_id, time.monotonic())
        try:
            async with asyncio.timeout(HANG_SECS):
                outcome.answer = await self._answer(request_id, chance)
        except TimeoutError:
            outcome.fault = f"hung for {HANG_SECS:g} s"
        except OSError as error:
            outcome.fault = f"no connection: {error}"
        outcome.ended_at = time.monotonic()
        self.done(outcome)

    async def _answer(self, request_id: str, chance: float) -> Answer | None:
        sent = asking.request(request_id, stream=request_id.startswith(STREAMED))
        reader: Any
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=SIP_BYTES)
        try:
            writer.write(sent)
            if request_id.startswith("leaving"):
                await asyncio.sleep(chance * LEAVES_WITHIN_SECS)
                return None
            return await asking.read_answer(Sipping(reader) if request_id.startswith("slow") else reader)  # type: ignore[arg-type]
        finally:
            writer.close()
