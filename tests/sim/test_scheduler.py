"""Continuous batching, in a time that only the test moves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from smg.sim.asks import Ask, RefusedError
from smg.sim.generations import CutError, Generation
from smg.sim.ledger import Record
from smg.sim.scheduler import Scheduler
from smg.sim.settings import EngineSettings
from tests.sim.support import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLAIN = Ask(request_id="r", prompt_ids=tuple(range(300, 400)), max_tokens=8, ignore_eos=True)
SETTINGS = EngineSettings(prefill_chunk_tokens=64)


class VirtualTime:
    """A clock whose time passes in sleeps, at no cost."""

    def __init__(self) -> None:
        self.secs = 0.0
        self.steps: list[float] = []

    def now(self) -> float:
        return self.secs

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(0)
        self.secs += secs
        self.steps.append(secs)


@asynccontextmanager
async def running(settings: EngineSettings) -> AsyncIterator[tuple[Scheduler, VirtualTime]]:
    """Run a scheduler for the length of the block."""
    time = VirtualTime()
    scheduler = Scheduler(settings, time, time.sleep)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(scheduler.run())
        yield scheduler, time
        task.cancel()


def submit(scheduler: Scheduler, **changes: Any) -> Generation:
    """Queue a request."""
    record = Record("r", "test", (), b"", 0.0)
    return scheduler.submit(msgspec.structs.replace(PLAIN, **changes), record)


async def tokens(generation: Generation) -> list[int]:
    """Return all tokens of choice 0."""
    return [token async for piece in generation.pieces() for token in piece.token_ids if piece.choice.index == 0]


async def test_time_goes_by_prompt_and_batch() -> None:
    """Prefill costs its tokens in chunks; each later step costs the base and a share per request."""
    async with running(SETTINGS) as (scheduler, time):
        await tokens(submit(scheduler, max_tokens=2))

    base, share = 0.006, 0.00035
    expected = [base + 64 / 8000, base + share + 36 / 8000, base + share]
    assert time.steps == pytest.approx(expected)


async def test_cached_prefix_is_not_read_again() -> None:
    """A second request with the same prompt is faster to its first token, and says how much was cached."""
    async with running(SETTINGS) as (scheduler, time):
        await tokens(submit(scheduler))
        before = time.secs
        again = submit(scheduler, max_tokens=1)
        await tokens(again)

    assert again.cached_tokens == 96
    assert time.secs - before == pytest.approx(0.006 + 0.00035 + 4 / 8000)


async def test_larger_batch_is_slower_per_token() -> None:
    """The time between tokens grows with the number of requests that run."""
    async with running(SETTINGS) as (scheduler, time):
        many = [submit(scheduler, prompt_ids=(300 + at,), max_tokens=4) for at in range(10)]
        await asyncio.gather(*(tokens(one) for one in many))

    assert time.steps[-1] == pytest.approx(0.006 + 10 * 0.00035)


async def test_batch_limit_makes_others_wait() -> None:
    """Requests beyond the batch wait and are served in order."""
    async with running(msgspec.structs.replace(SETTINGS, max_running=2)) as (scheduler, _):
        three = [submit(scheduler, prompt_ids=(300 + at,)) for at in range(3)]
        pieces = three[0].pieces()
        await anext(pieces)

        assert (scheduler.running, scheduler.waiting) == (2, 1)
        await asyncio.gather(*(tokens(one) for one in three))
        await pieces.aclose()

    assert (scheduler.running, scheduler.waiting) == (0, 0)


async def test_full_cache_makes_others_wait() -> None:
    """A request starts only when the KV cache has room for its prompt and answer."""
    async with running(msgspec.structs.replace(SETTINGS, kv_tokens=160)) as (scheduler, _):
        first = submit(scheduler)
        second = submit(scheduler, prompt_ids=tuple(range(500, 600)))
        pieces = first.pieces()
        await anext(pieces)

        assert (scheduler.running, scheduler.waiting) == (1, 1)
        assert len(await tokens(second)) == 8
        await pieces.aclose()


async def test_abort_frees_the_place_at_once() -> None:
    """An aborted request leaves batch, cache and queue in the same moment, and its stream ends."""
    async with running(SETTINGS) as (scheduler, _):
        generation = submit(scheduler, hold_after=2)
        pieces = generation.pieces()
        await anext(pieces)
        waiting = submit(scheduler, request_id="w")

        assert scheduler.abort("r")
        assert scheduler.abort("w")

        assert (scheduler.running, scheduler.waiting, scheduler.cache.used_tokens) == (0, 0, 0)
        assert [piece.last async for piece in pieces][-1]
        assert await tokens(waiting) == []
        assert not scheduler.abort("r")
        assert scheduler.aborts == 2


async def test_held_request_costs_no_steps() -> None:
    """A request that stalls keeps its place while no step is made for it."""
    async with running(SETTINGS) as (scheduler, time):
        submit(scheduler, hold_after=1)
        await until(lambda: bool(scheduler._held))
        steps = len(time.steps)
        for _ in range(20):
            await asyncio.sleep(0)

        assert scheduler.running == 1
        assert steps == len(time.steps)


async def test_cut_request_fails_after_its_tokens() -> None:
    """The stream of a request that is cut ends with an error after that many tokens."""
    async with running(SETTINGS) as (scheduler, _):
        generation = submit(scheduler, fail_after=3)

        with pytest.raises(CutError):
            await tokens(generation)

    assert generation.record.tokens == 3
    assert scheduler.running == 0


async def test_choices_run_side_by_side() -> None:
    """Each choice has its own answer, and they come interleaved."""
    async with running(SETTINGS) as (scheduler, _):
        order = [piece.choice.index async for piece in submit(scheduler, n=3).pieces()]

    assert order[:6] == [0, 1, 2, 0, 1, 2]


async def test_what_can_never_be_served_is_refused() -> None:
    """A prompt beyond the context and a request beyond the cache are refused when they come."""
    async with running(msgspec.structs.replace(SETTINGS, context_length=100, kv_tokens=64)) as (scheduler, _):
        with pytest.raises(RefusedError, match="context length"):
            submit(scheduler)
        with pytest.raises(RefusedError, match="KV cache"):
            submit(scheduler, prompt_ids=tuple(range(60)))
