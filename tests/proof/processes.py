"""Programs of a proof: each in its own process, ended with the test."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


class Told:
    """A process that answers each line with one JSON line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self) -> dict[str, Any]:
        """Return what it says now, within 20 s."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def until(self, holds: Callable[[dict[str, Any]], bool], secs: float = 20) -> dict[str, Any]:
        """Ask until ``holds``, or raise TimeoutError; return the answer that held."""
        async with asyncio.timeout(secs):
            while not holds(told := await self.ask()):  # noqa: ASYNC110 - another process tells only when asked
                await asyncio.sleep(0.02)
        return told


@asynccontextmanager
async def program(module: str, *arguments: str) -> AsyncIterator[Told]:
    """Run a module until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Told(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def gateway_process(workers: Sequence[dict[str, Any]], **changes: Any) -> AsyncIterator[Told]:
    """Run a gateway over these specs and wait until all are ready."""
    async with program("tests.proof.gateway_process", json.dumps({"workers": list(workers), **changes})) as told:
        await told.until(lambda state: state["ready"] == len(workers))
        yield told
