"""What the gateway's process shows of itself, once a second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.faults.vitals import Lag

if TYPE_CHECKING:
    from tests.faults.processes import Program

IDLE_SECS = 5.0
SAMPLES = 3
REST_SECS = 60.0
NOISE_BYTES = 2 << 20
"""What an allocator may do either way; smaller growth is none."""


@dataclass
class Watch:
    """Samples of one process.

    Attributes:
        rest: Tasks and descriptors of a gateway that has served and has nothing to do.
        lag_secs: The longest delay of its loop.
        here_secs: The same of the loop of callers and engines, which says what the machine is good for.
        left: What is above that once the last request has ended.
    """

    gateway: Program
    rest: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    lag_secs: float = 0.0
    here_secs: float = 0.0
    least_in_flight: int = 0
    _rss: list[int] = field(default_factory=list)

    async def ask(self, line: str = "tell") -> dict[str, Any]:
        """Ask without holding up the engines, which live in this process."""
        return await asyncio.to_thread(self.gateway.ask, line)

    async def begin(self) -> None:
        """Note what is there while nothing happens but probes, once unused connections are closed."""
        await asyncio.sleep(IDLE_SECS)
        for _ in range(SAMPLES):
            told = await self.ask("rest")
            for name in ("tasks", "descriptors", "in_flight"):
                self.rest[name] = max(told[name], self.rest.get(name, 0))
            await asyncio.sleep(1)

    async def run(self) -> None:
        """Sample on and on until cancelled."""
        here = Lag()
        while True:
            self.here_secs = max(self.here_secs, here.taken()["max"])
            told = await self.ask()
            self._rss.append(told["rss_bytes"])
            self.lag_secs = max(self.lag_secs, told["lag"]["max"])
            self.least_in_flight = min(self.least_in_flight, told["in_flight"])
            await asyncio.sleep(1)

    async def end(self) -> None:
        """Wait until it is at rest again, or note what is not."""
        try:
            async with asyncio.timeout(REST_SECS):
                while self._above(await self.ask("rest")):  # noqa: ASYNC110 - another process, nobody signals
                    await asyncio.sleep(0.5)
        except TimeoutError:
            self.left = self._above(await self.ask("rest"))

    def _above(self, told: dict[str, Any]) -> dict[str, int]:
        return {name: told[name] - most for name, most in self.rest.items() if told[name] > most}

    @property
    def rss_bytes(self) -> int:
        """The last sample."""
        return self._rss[-1] if self._rss else 0

    @property
    def growth_bytes(self) -> int:
        """How much the end of the last third is above its beginning, each the median of a tenth; noise is none."""
        tenth = max(1, len(self._rss) // 10)
        third = len(self._rss) * 2 // 3
        grown = int(median(self._rss[-tenth:]) - median(self._rss[third : third + tenth]))
        return grown if grown > NOISE_BYTES else 0

    @property
    def growth_ratio(self) -> float:
        """The same as a share of all."""
        return self.growth_bytes / max(1, self.rss_bytes)
