"""Limits are the gateway's, however many processes it has."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import accumulate

from smg.core.words import ConnectionMode, Runtime
from smg.sim.settings import EngineSettings
from tests.e2e.gateways import engines
from tests.e2e.raw import exchange, get
from tests.e2e.several import SEEN_SECS, chat, several, streamed

HTTP = (ConnectionMode.HTTP, Runtime.VLLM)
SLOW = EngineSettings(model="sim", speed=0.5, context_length=4096)


async def statuses(port, sent, count):
    """Return how often each status came, all asked at once."""
    answers = await asyncio.gather(*(exchange(port, sent) for _ in range(count)))
    found = [answer.status for answer in answers]
    return {status: found.count(status) for status in set(found)}


def most_at_once(records):
    """Return how many of an engine's requests ran at once at most."""
    times = [(record.started_at, 1) for record in records] + [(record.ended_at, -1) for record in records]
    return max(accumulate(step for _, step in sorted(times)))


async def loads(gateway):
    """Return the load of each worker as every process shows it."""
    answers = await gateway.everywhere(get("/workers"))
    return {tuple(worker["load"] for worker in json.loads(answer.body)["workers"]) for answer in answers}


async def test_so_many_run_at_once_in_all_processes():
    """Beyond the limit it is 503 wherever one asks; what a process held that dies can be had again."""
    limits = ("--max-concurrent-requests", "6", "--queue-size", "0")
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url, arguments=limits) as gateway:
        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(exchange(gateway.port, streamed(400))) for _ in range(6)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 6)
            assert {answer.status for answer in await gateway.everywhere(chat(), 20)} == {503}
            assert await loads(gateway) == {(6,)}
        assert [stream.result().status for stream in streams] == [200] * 6
        assert await statuses(gateway.port, chat(max_tokens=20), 6) == {200: 6}
        async with asyncio.TaskGroup() as group:
            broken = [group.create_task(_broken(gateway.port, streamed(400))) for _ in range(6)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 6)
            await gateway.killed(min(gateway.pids()))
            await engine.ledger.until(lambda ledger: ledger.totals.open < 6)
            async with asyncio.timeout(SEEN_SECS):  # the engine hears of them one by one
                while (await loads(gateway)) != {(engine.ledger.totals.open,)}:
                    pass
            free = 6 - engine.ledger.totals.open
            assert free > 0
            assert await statuses(gateway.port, chat(max_tokens=30), free) == {200: free}
        assert sum(stream.result() for stream in broken) == free


async def _broken(port, sent):
    try:
        return b"[DONE]" not in (await exchange(port, sent)).body
    except (ConnectionError, ValueError, IndexError):
        return True


async def test_who_waits_is_served_wherever_a_place_becomes_free():
    """With two places and a line, all of thirty are served, in either process."""
    limits = ("--max-concurrent-requests", "2", "--queue-size", "30")
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url, arguments=limits) as gateway:
        assert await statuses(gateway.port, chat(max_tokens=5), 30) == {200: 30}
        assert most_at_once(engine.ledger.records) == 2


async def test_so_many_pass_in_a_second():
    """The burst and the rate are shared: what one process let pass, the other has less."""
    limits = ("--rate-limit-tokens-per-second", "5", "--rate-limit-burst", "10")
    async with engines(HTTP) as [engine], several(engine.url, arguments=limits) as gateway:
        begun = time.monotonic()
        answers = await gateway.everywhere(chat(), 60)
        took = time.monotonic() - begun
        passed = sum(answer.status == 200 for answer in answers)
        assert {answer.status for answer in answers} == {200, 429}
        assert 10 <= passed <= 10 + 5 * took + 1


async def test_a_worker_is_given_so_many_at_once():
    """Its limit, set while it runs, holds over all processes."""
    async with engines(HTTP, engine=SLOW) as [engine], several(engine.url) as gateway:
        [worker] = (await gateway.ask("GET", "/workers"))[1]["workers"]
        change = {"http_pool": {"max_in_flight": 3}}
        assert (await gateway.ask("PATCH", f"/workers/{worker['id']}", change))[0] == 202
        await gateway.until_ready(1)
        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(exchange(gateway.port, streamed(200))) for _ in range(12)]
            await engine.ledger.until(lambda ledger: ledger.totals.open == 3)
            assert await loads(gateway) == {(3,)}
        found = [stream.result().status for stream in streams]
        assert (found.count(200), found.count(503)) == (3, 9)
