"""Simulated engines in a process of their own: each answers after 20 ms, or never.

usage: python -m tests.proof.engine_process http|grpc [http|grpc …]
Each line it is sent is answered with the engines' URLs and how many requests each has seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import uvloop

from smg.core.words import ConnectionMode, Runtime
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings

SETTINGS = EngineSettings(model="sim", speed=0, ranks=2, max_running=10_000, kv_tokens=10_000_000, ledger_size=10)


async def main() -> None:
    """Serve until standard input ends; in each engine rank 0 stalls and rank 1 answers after 20 ms."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(SimEngine(ConnectionMode(mode), Runtime.VLLM, SETTINGS))
            for mode in sys.argv[1:]
        ]
        for engine in engines:
            engine.faults.set("stall", rank=0)
            engine.faults.set("delay:0.02", rank=1)
        while await lines.readline():
            told = [{"url": engine.url, "open": engine.ledger.totals.open} for engine in engines]
            sys.stdout.write(json.dumps({"engines": told}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
