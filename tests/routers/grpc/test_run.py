"""Calls to the engine end when their answers do, and fail as one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from smg.core.errors import (
    UpstreamError,
)
from smg.core.words import Endpoint, Outcome, Runtime
from tests.routers.grpc.scripted import DEADLINE_SECS, HELLO, Script, contents, ids_of, scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.text.tokenizer import Tokenizer


async def test_a_stop_string_across_messages_ends_the_engines_work(tokenizer: Tokenizer) -> None:
    """Its beginning never shows, the engine hears Abort, and usage counts what was delivered."""
    script = Script()
    script.hold = asyncio.Event()
    async with scripted(Runtime.MLX, tokenizer, script) as (front, engine):
        ids = [*ids_of(tokenizer, "abc ST"), *ids_of(tokenizer, "OP"), *ids_of(tokenizer, "never")]
        script.messages = tuple(engine.chunk(one) for one in ids)
        await front.ask(
            Endpoint.CHAT,
            {**HELLO, "stream": True, "stop": ["STOP"], "stream_options": {"include_usage": True}},
        )
        await engine.until_aborted()
        name = engine.asked[0].request_id
        aborted = list(engine.aborted)

    events = front.events
    assert contents(events) == "abc "
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-2]["choices"][0]["matched_stop"] == "STOP"
    assert events[-1]["usage"]["completion_tokens"] == len(ids) - len(ids_of(tokenizer, "never"))
    assert aborted == [name]


async def test_several_answers_of_one_call_are_told_apart(tokenizer: Tokenizer) -> None:
    """VLLM numbers its answers; they interleave in one stream."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        one, two = ids_of(tokenizer, "a"), ids_of(tokenizer, "b")
        script.messages = (
            engine.chunk(*one, index=0),
            engine.chunk(*two, index=1),
            engine.complete("stop", index=1),
            engine.chunk(*one, index=0),
            engine.complete("length", index=0),
        )
        await front.ask(Endpoint.CHAT, {**HELLO, "n": 2, "stream": True})

    assert (contents(front.events, 0), contents(front.events, 1)) == ("aa", "b")


async def test_an_error_before_the_first_message_leaves_the_sink_untouched(tokenizer: Tokenizer) -> None:
    """So another worker may be tried."""
    script = Script(error=grpc.StatusCode.INTERNAL)
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, _):
        with pytest.raises(UpstreamError):
            await front.ask(Endpoint.CHAT, {**HELLO, "stream": True})

    assert front.sink.head is None


async def test_an_error_after_the_first_message_shows(tokenizer: Tokenizer) -> None:
    """The stream has begun and is not ended properly; what was delivered is known."""
    script = Script(error=grpc.StatusCode.INTERNAL)
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.chunk(*ids_of(tokenizer, "ab")),)
        request = front.request(Endpoint.CHAT, {**HELLO, "stream": True})
        front.router.check(request)
        lease = front.workers[0].lease(1)
        with pytest.raises(UpstreamError), lease:
            await front.router.dispatch(front.workers[0], request, front.sink, lease)

    assert contents(front.events) == "ab"
    assert not front.sink.finished
    assert lease.outcome is Outcome.FAILED
    assert request.trail.completion_tokens == 2


async def test_one_failed_prompt_fails_all(tokenizer: Tokenizer) -> None:
    """The other calls are cancelled, and the error is the engine's, not a group of them."""
    hold = asyncio.Event()

    async def second_fails(request: Any, context: Any) -> AsyncIterator[Any]:
        if len(request.tokenized.input_ids) > 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no")
        await hold.wait()
        yield engine.complete("stop", 1)

    async with scripted(Runtime.VLLM, tokenizer, second_fails) as (front, engine):
        with pytest.raises(UpstreamError):
            await front.ask(Endpoint.COMPLETIONS, {"model": "m", "prompt": [[1], [1, 2]]})
        await engine.until_aborted()


async def test_a_caller_who_leaves_frees_the_engine(tokenizer: Tokenizer) -> None:
    """Cancellation mid-stream ends the call, and the engine hears Abort."""
    script = Script()
    script.hold = asyncio.Event()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.chunk(*ids_of(tokenizer, "ab")),)
        front.sink.pause()
        async with asyncio.timeout(DEADLINE_SECS), asyncio.TaskGroup() as group:
            task = group.create_task(front.ask(Endpoint.CHAT, {**HELLO, "stream": True}))
            await front.sink.until_drained_on()
            task.cancel()
        await engine.until_aborted()

    assert front.workers[0].in_flight == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_ends_before_its_answer_is_a_failure(tokenizer: Tokenizer, stream: bool) -> None:
    """Half an answer is never passed off as a whole one."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.chunk(*ids_of(tokenizer, "ab")),)
        with pytest.raises(UpstreamError):
            await front.ask(Endpoint.CHAT, {**HELLO, "stream": stream})

    assert (front.sink.head is not None) == stream
    assert not front.sink.finished
