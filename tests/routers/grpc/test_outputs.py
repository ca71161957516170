"""A slow caller and a gone one."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from smg.core.clock import MonotonicClock
from smg.core.events import AttemptEnded
from smg.core.words import Endpoint, Outcome, Runtime
from smg.routers.attempt import Attempt, Surroundings
from tests.routers.grpc.scripted import DEADLINE_SECS, HELLO, Script, contents, ids_of, scripted
from tests.workers.support import Recorder

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


async def test_a_slow_caller_slows_the_engine(tokenizer: Tokenizer) -> None:
    """Nothing more is written while the sink is paused."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (*[engine.chunk(*ids_of(tokenizer, "a"))] * 3, engine.complete("stop"))
        front.sink.pause()
        async with asyncio.timeout(DEADLINE_SECS), asyncio.TaskGroup() as group:
            group.create_task(front.ask(Endpoint.CHAT, {**HELLO, "stream": True}))
            await front.sink.until_drained_on()
            before = contents(front.events)
            front.sink.resume()

    assert before == "a"
    assert contents(front.events) == "aaa"


async def test_a_slow_caller_stalls_no_call_of_several(tokenizer: Tokenizer) -> None:
    """Both calls of a stream wait for longer than an engine may be silent, and it is held against neither."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (*[engine.chunk(*ids_of(tokenizer, "a"))] * 2, engine.complete("stop"))
        body = {"model": "m", "prompt": [[1], [2]], "stream": True}
        front.sink.pause()
        async with asyncio.timeout(DEADLINE_SECS), asyncio.TaskGroup() as group:
            headers = ((b"x-smg-timeout-between-chunks", b"0.3"),)
            asking = group.create_task(front.ask(Endpoint.COMPLETIONS, body, headers=headers))
            await front.sink.until_drained_on()
            await asyncio.wait([asking], timeout=0.9)
            front.sink.resume()

    texts = [choice["text"] for event in front.events for choice in event["choices"]]
    assert "".join(texts) == "aaaa"


async def test_a_gone_caller_is_not_the_workers_fault(tokenizer: Tokenizer) -> None:
    """A lease that ends by a broken connection to the caller counts as abandoned."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.chunk(*ids_of(tokenizer, "a")), engine.complete("stop"))
        front.sink.leave()
        request = front.request(Endpoint.CHAT, {**HELLO, "stream": True})
        front.router.check(request)
        observer = Recorder()
        around = Surroundings(MonotonicClock(), observer, Random(1), asyncio.sleep)
        with pytest.raises(ConnectionResetError):
            await Attempt(front.router, front.workers[0], around).run(request, front.sink)

    assert [event.outcome for event in observer.of(AttemptEnded)] == [Outcome.ABANDONED]
