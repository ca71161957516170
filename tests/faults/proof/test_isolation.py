"""A worker that stalls with 1,000 requests waiting does not slow its neighbour.

The neighbour answers in 20 ms and is asked 200 times a second, open loop, by turns with and without the
stalled crowd. What counts is the ratio of its 99th percentiles, the median over the rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import asynccontextmanager

import pytest

from tests.proof.callers import call, request_bytes
from tests.proof.processes import gateway_process, program

RATE = 200
CALLERS = 64
"""Connections that ask in turn: at 20 ms an answer 4 would do; more hide nobody's waiting."""


@asynccontextmanager
async def waiting(port, engines, count):
    """Have ``count`` requests wait at the stalled worker for the length of the block."""
    callers = []
    try:
        for _ in range(0, count, 100):
            callers += await asyncio.gather(*[call(port) for _ in range(100)])
        for caller in callers:
            caller.ask(request_bytes("stuck", stream=False))
        await engines.until(lambda told: sum(engine["open"] for engine in told["engines"]) >= count)
        yield
    finally:
        for caller in callers:
            caller.transport.abort()
        await engines.until(lambda told: sum(engine["open"] for engine in told["engines"]) == 0)


async def sample(port, count):
    """Ask ``count`` times at a fixed rate and return the seconds each answer took from its due time."""
    callers = [await call(port) for _ in range(CALLERS)]
    request = request_bytes("quick", stream=False)
    begun = time.monotonic() + 0.05
    try:
        return await asyncio.gather(
            *[_lane(callers[n], request, begun, range(n, count, CALLERS)) for n in range(CALLERS)]
        )
    finally:
        for caller in callers:
            caller.transport.close()


async def _lane(caller, request, begun, turns):
    took = []
    for turn in turns:
        due = begun + turn / RATE
        await asyncio.sleep(max(0, due - time.monotonic()))
        caller.ask(request)
        answer = await asyncio.wait_for(caller.whole, 30)
        assert b" 200 " in answer[:20]
        took.append(time.monotonic() - due)
    return took


def p99(lanes):
    """Return the 99th percentile of all samples."""
    samples = sorted(secs for lane in lanes for secs in lane)
    return samples[int(len(samples) * 0.99)]


def specs(urls, layout):
    """Return the stalled and the quick worker: two engines, or two ranks behind one address."""
    other = urls[0] if layout == "ranks" else urls[1]
    return [
        {"url": f"{urls[0]}@0", "models": [{"id": "sim", "aliases": ["stuck"]}], "runtime_type": "vllm"},
        {"url": f"{other}@1", "models": [{"id": "sim", "aliases": ["quick"]}], "runtime_type": "vllm"},
    ]


async def ratios(mode, layout, rounds, count, crowd):
    """Return each round's ratio of p99 with the crowd to p99 without."""
    async with program("tests.proof.engine_process", mode, mode) as engines:
        urls = [engine["url"] for engine in (await engines.ask())["engines"]]
        async with gateway_process(specs(urls, layout)) as gateway:
            port = (await gateway.ask())["port"]
            await sample(port, RATE)
            found = []
            for _ in range(rounds):
                alone = p99(await sample(port, count))
                async with waiting(port, engines, crowd):
                    crowded = p99(await sample(port, count))
                found.append((alone, crowded))
    print("\n" + "\n".join(f"p99 alone {a * 1e3:.1f} ms, with {crowd} waiting {c * 1e3:.1f} ms" for a, c in found))  # noqa: T201
    return [crowded / alone for alone, crowded in found]


CASES = [(mode, layout) for mode in ("http", "grpc") for layout in ("engines", "ranks")]


@pytest.mark.proof
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("mode", "layout"), CASES)
async def test_the_neighbour_is_not_slowed(mode, layout):
    """Over 5 rounds of 2,000 samples the median ratio of p99 is at most 1.2."""
    found = await ratios(mode, layout, 5, 2000, 1000)
    print(f"{mode} {layout}: ratio {statistics.median(found):.2f}")  # noqa: T201

    assert statistics.median(found) <= 1.2


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("mode", "layout"), CASES)
async def test_the_neighbour_is_served(mode, layout):
    """Every one of 100 requests is answered while 300 wait at the neighbour."""
    assert len(await ratios(mode, layout, 1, 100, 300)) == 1
