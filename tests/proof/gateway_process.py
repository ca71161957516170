"""A gateway in a process of its own, which tells of itself: one JSON line per line it is sent.

usage: python -m tests.proof.gateway_process SETTINGS_JSON
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path

import uvloop

from smg.server.lifecycle import Gateway
from tests.e2e.settings import settings


def tell(gateway: Gateway) -> dict[str, int]:
    """Return what must be 0 or unchanged at rest."""
    gc.collect()
    workers = gateway.registry.fleet.workers.values()
    return {
        "port": gateway.port,
        "ready": sum(worker.available for worker in workers),
        "in_flight": sum(worker.in_flight for worker in workers),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    changes = json.loads(sys.argv[1])
    async with Gateway(settings(changes.pop("workers"), **changes)) as gateway:
        while await lines.readline():
            sys.stdout.write(json.dumps(tell(gateway)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
