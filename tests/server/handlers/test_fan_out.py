from __future__ import annotations

import asyncio
from typing import Any

from smg.core.errors import Retry, UpstreamError, UpstreamTimeoutError
from smg.server.handlers.fan_out import AT_ONCE, ask_all
from tests.workers.support import http_worker


def _workers(count: Any) -> Any:
    return [http_worker(f"http://127.0.0.1:{port}") for port in range(9000, 9000 + count)]


async def test_each_worker_has_one_result() -> None:
    """Answers, failures and latecomers stand side by side, in the workers' order."""
    fine, broken, late = workers = _workers(3)

    async def ask(worker: Any) -> Any:
        if worker is broken:
            raise UpstreamError(worker.id, "broke", retry=Retry.NEVER)
        if worker is late:
            await asyncio.Event().wait()
        return "told"

    told = await ask_all(workers, ask, deadline_secs=0.05)

    assert list(told) == workers
    assert told[fine] == "told"
    assert isinstance(told[broken], UpstreamError)
    assert isinstance(told[late], UpstreamTimeoutError)


async def test_only_so_many_are_asked_at_once() -> None:
    """A large fleet is not asked all in one breath."""
    running, most = 0, 0

    async def ask(_worker: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await ask_all(_workers(AT_ONCE * 3), ask, deadline_secs=5)

    assert most == AT_ONCE
