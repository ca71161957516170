"""One question to many workers: a bounded number at once, each with a deadline, one result per worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from smg.core.errors import GatewayError, Retry, UpstreamTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from smg.workers.worker import Worker

T = TypeVar("T")

AT_ONCE = 32


async def ask_all(
    workers: Iterable[Worker], ask: Callable[[Worker], Awaitable[T]], *, deadline_secs: float
) -> dict[Worker, T | GatewayError]:
    """Return each worker's answer, or the error it failed with, in the order of ``workers``."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(worker: Worker) -> T | GatewayError:
        try:
            async with slots:
                return await ask_one(worker, ask, deadline_secs=deadline_secs)
        except GatewayError as error:
            return error

    async with asyncio.TaskGroup() as group:
        tasks = {worker: group.create_task(one(worker)) for worker in workers}
    return {worker: task.result() for worker, task in tasks.items()}


async def ask_one(worker: Worker, ask: Callable[[Worker], Awaitable[T]], *, deadline_secs: float) -> T:
    """Return one worker's answer; raises UpstreamTimeoutError at the deadline."""
    try:
        async with asyncio.timeout(deadline_secs):
            return await ask(worker)
    except TimeoutError as error:
        raise UpstreamTimeoutError(worker.id, "the worker was too late", retry=Retry.NEVER) from error
