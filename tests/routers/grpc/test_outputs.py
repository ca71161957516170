"""A slow caller and a gone one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import grpc
import msgspec
import pytest

from smg.core.clock import MonotonicClock
from smg.core.errors import UpstreamError
from smg.core.events import AttemptEnded
from smg.core.words import Endpoint, Outcome, Runtime, WorkerId
from smg.resilience.settings import ClockSettings
from smg.routers.attempt import Attempt, Surroundings
from smg.routers.grpc.outputs import Joined
from smg.testing.sink import CollectingSink
from smg.wire.openai.answer_style import ChoicePiece, Usage
from smg.wire.openai.chat_answers import ChatStyle
from smg.workers.alarms import Alarms
from smg.workers.watch import Watch
from tests.routers.grpc.scripted import DEADLINE_SECS, HELLO, Script, contents, ids_of, scripted
from tests.workers.support import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

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


def joined() -> tuple[CollectingSink, Joined, Callable[[int, str], None]]:
    """Return a sink, the output of several calls that have begun, and what shows a text of an answer."""
    sink = CollectingSink()
    output = Joined(sink, ChatStyle("chatcmpl-1", "m", 0), Usage(prompt_tokens=0, completion_tokens=0, cached_tokens=0))
    output.begin([0, 1, 2])
    return sink, output, lambda index, text: output.show(ChoicePiece(index=index, text=text))


def texts(data: bytes) -> list[tuple[int, str]]:
    """Return which answer each event is of, and its text."""
    events = [msgspec.json.decode(line[6:]) for line in data.splitlines() if line.startswith(b"data: {")]
    return [(choice["index"], choice["delta"].get("content", "")) for event in events for choice in event["choices"]]


async def test_what_several_calls_show_in_one_turn_leaves_in_one_write() -> None:
    """In the order in which it was shown, and with the next turn of the loop at the latest."""
    sink, _, show = joined()
    await asyncio.sleep(0)
    for index, text in ((0, "a"), (2, "c"), (1, "b")):
        show(index, text)
    assert len(sink.writes) == 1  # the beginnings
    await asyncio.sleep(0)
    show(1, "d")
    await asyncio.sleep(0)

    assert [texts(write) for write in sink.writes[1:]] == [[(0, "a"), (2, "c"), (1, "b")], [(1, "d")]]


async def test_what_was_shown_does_not_wait_for_a_slow_caller() -> None:
    """It is sent before its caller is waited for: a head that waits for its first bytes leaves with them."""
    sink, output, show = joined()
    watch = Watch(WorkerId("w"), ClockSettings(), Alarms(), stream=True)
    sink.pause()
    show(0, "a")
    waiting = output.ready(watch)
    with suppress(StopIteration):
        waiting.send(None)

    assert texts(sink.body)[3:] == [(0, "a")]
    waiting.close()


async def test_what_was_shown_stands_before_the_end() -> None:
    """It does not wait for its turn then, and is not sent twice."""
    sink, output, show = joined()
    show(0, "a")
    output.end()
    await asyncio.sleep(0)

    assert sink.finished
    assert sink.body.endswith(b"data: [DONE]\n\n")
    assert texts(sink.body)[3:] == [(0, "a")]


async def test_answers_of_calls_side_by_side_arrive_whole(tokenizer: Tokenizer) -> None:
    """An engine that gives one answer a call is called once for each, and all of every answer is told."""
    script = Script()
    async with scripted(Runtime.MLX, tokenizer, script) as (front, engine):
        script.messages = (*[engine.chunk(*ids_of(tokenizer, "a"))] * 5, engine.complete("stop"))
        await front.ask(Endpoint.CHAT, {**HELLO, "n": 6, "stream": True})

    assert {contents(front.events, index) for index in range(6)} == {"aaaaa"}


async def test_a_failed_call_loses_nothing_that_another_has_shown(tokenizer: Tokenizer) -> None:
    """What was shown in the turn of the failure is sent before it is told."""
    script = Script(error=grpc.StatusCode.INTERNAL)
    async with scripted(Runtime.MLX, tokenizer, script) as (front, engine):
        script.messages = (engine.chunk(*ids_of(tokenizer, "ab")),)
        with pytest.raises(UpstreamError):
            await front.ask(Endpoint.CHAT, {**HELLO, "n": 2, "stream": True})
        before = len(front.sink.writes)
        await asyncio.sleep(0)

    assert "ab" in {contents(front.events, index) for index in range(2)}
    assert len(front.sink.writes) == before


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
