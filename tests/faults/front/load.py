"""Open-loop callers in a process of their own: each asks when it is due, whatever has become of the others.

usage: python -m tests.faults.front.load   (what to ask comes as JSON on standard input, what became of it goes out)
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, TypeAlias

import uvloop

from tests.faults.front.caller import parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PATIENCE_SECS = 10.0


@dataclass
class Load:
    """What became of a load.

    Attributes:
        served: Seconds of each answer 200, from when the request was due; those of a retry from the refusal.
        due_at: When each of those was due: readings of the monotonic clock, which all processes share.
        refused: The same of every other answer.
        lost: Requests without an answer.
        begun_at: Reading of that clock.
        per_sec: Requests, retries aside, as they really were sent.
        secs: From the first request to the last answer.
    """

    served: list[float] = field(default_factory=list)
    due_at: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lost: int = 0
    begun_at: float = 0.0
    per_sec: float = 0.0
    secs: float = 0.0

    @property
    def ended_at(self) -> float:
        """When the last answer was in."""
        return self.begun_at + self.secs

    def slowest(self, begun_at: float, ended_at: float) -> float:
        """Return the longest time of one served that was due or under way between two readings of the clock."""
        spans = zip(self.due_at, self.served, strict=True)
        return max(secs for due_at, secs in spans if due_at <= ended_at and due_at + secs >= begun_at)

    @property
    def goodput(self) -> float:
        """Answers 200 per second that really passed."""
        return len(self.served) / self.secs

    @property
    def p99(self) -> float:
        """The 99th percentile of those served."""
        return p99(self.served)


def p99(samples: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(samples)[int((len(samples) - 1) * 0.99)]


def load(port: int, per_sec: float, for_secs: float, sent: Sequence[bytes], *, retries: int = 0) -> Load:
    """Ask for so long, ``sent`` in turns, and again at once, so often, what is refused; return what became of it."""
    wanted: dict[str, Any] = {"port": port, "per_sec": per_sec, "for_secs": for_secs, "retries": retries}
    wanted["sent"] = [each.decode() for each in sent]
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=json.dumps(wanted), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Load(**json.loads(done.stdout))


class Callers:
    """Those who ask."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self._port: int = wanted["port"]
        self._retries: int = wanted["retries"]
        self._idle: list[Connection] = []
        self.told = Load()

    async def run(self, per_sec: float, for_secs: float, sent: Sequence[bytes]) -> None:
        """Ask for so long."""
        now = time.monotonic  # the loop's own counts in milliseconds
        turns, number = cycle(sent), int(per_sec * for_secs)
        self.told.begun_at = begun = now()
        async with asyncio.TaskGroup() as group:
            for due in (begun + turn / per_sec for turn in range(number)):
                await asyncio.sleep(max(0.0, due - now()))
                group.create_task(self._ask(next(turns), due))
            self.told.per_sec = number / (now() - begun + 1 / per_sec)
        self.told.secs = now() - begun

    async def _ask(self, sent: bytes, due: float) -> None:
        for _ in range(1 + self._retries):
            status = await self._status(sent)
            took = time.monotonic() - due
            if status is None:
                self.told.lost += 1
                return
            if status == 200:
                self.told.served.append(took)
                self.told.due_at.append(due)
                return
            self.told.refused.append(took)
            due += took

    async def _status(self, sent: bytes) -> int | None:
        try:
            async with asyncio.timeout(PATIENCE_SECS):
                return await self._exchange(sent)
        except (OSError, EOFError):  # TimeoutError is an OSError
            return None

    async def _exchange(self, sent: bytes) -> int:
        connection = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = connection
        writer.write(sent)
        data = b""
        while not (answers := parsed(data)[0]):
            if not (more := await reader.read(1 << 16)):
                raise EOFError
            data += more
        if answers[0].values("connection") == ["close"]:
            writer.close()
        else:
            self._idle.append(connection)
        return answers[0].status


async def main(wanted: dict[str, Any]) -> None:
    """Ask, and tell."""
    callers = Callers(wanted)
    await callers.run(wanted["per_sec"], wanted["for_secs"], [each.encode() for each in wanted["sent"]])
    json.dump(asdict(callers.told), sys.stdout)


if __name__ == "__main__":
    uvloop.run(main(json.load(sys.stdin)))
