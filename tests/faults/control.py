"""The control: 25 lines of plain aiohttp, no defences. What it passes, proves nothing.

usage: python -m tests.faults.control WORKER_URL   (tells of itself, a line per line, until standard input ends)
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from tests.faults.vitals import Lag, vitals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTROL = os.environ.get("SMG_FAULTS_BUILD") == "control"
"""Whether cases are to be asked of it."""


@asynccontextmanager
async def forwarding(worker: str) -> AsyncIterator[int]:
    """Forward everything to one worker over one shared session; the port."""
    async with aiohttp.ClientSession() as session:

        async def forward(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.read()
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            async with session.request(request.method, worker + request.path_qs, headers=headers, data=body) as got:
                answer = web.StreamResponse(status=got.status, headers=got.headers)
                await answer.prepare(request)
                async for chunk in got.content.iter_any():
                    await answer.write(chunk)
                return answer

        runner = web.ServerRunner(web.Server(forward), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield site.port
        await runner.cleanup()


async def main(worker: str) -> None:
    """Serve until standard input ends."""
    async with forwarding(worker) as port:
        await told(port)


async def told(port: int) -> None:
    """Tell of this process, a line per line, until standard input ends; no part of the proxy."""
    lag = Lag()
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        state = {"port": port, "in_flight": 0, **vitals(lag, collect=line.startswith("rest"))}
        print(json.dumps(state), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
