"""Prompts become calls: how many, of what, within the context."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from smg.core.errors import (
    ContextLengthError,
)
from smg.core.words import Endpoint, Runtime
from smg.testing.sink import CollectingSink
from tests.routers.grpc.scripted import HELLO, Script, ScriptedEngine, ids_of, pipeline, scripted, worker_at

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


async def test_a_whole_answer_is_watched_for_stops_the_engine_cannot_match(tokenizer: Tokenizer) -> None:
    """Then the engine is asked to stream, so that it need not run to its end."""
    script = Script()
    script.hold = asyncio.Event()
    async with scripted(Runtime.MLX, tokenizer, script) as (front, engine):
        script.messages = tuple(engine.chunk(one) for one in ids_of(tokenizer, "aSTOPb"))
        await front.ask(Endpoint.COMPLETIONS, {"model": "m", "prompt": "x", "stop": "STOP"})
        await engine.until_aborted()
        streamed = engine.asked[0].stream

    assert streamed
    assert front.json["choices"][0]["text"] == "a"


async def test_several_answers_of_an_engine_that_gives_one(tokenizer: Tokenizer) -> None:
    """MLX gives one answer per call: n calls, different seeds, the prompt counted once."""
    script = Script()
    async with scripted(Runtime.MLX, tokenizer, script) as (front, engine):
        ids = ids_of(tokenizer, "ab")
        script.messages = (engine.chunk(*ids, prompt_tokens=7), engine.complete("stop", prompt_tokens=7))
        await front.ask(Endpoint.CHAT, {**HELLO, "n": 3, "seed": 10})
        asked = engine.asked

    assert [choice["index"] for choice in front.json["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in front.json["choices"]} == {"ab"}
    assert {one.sampling_params.seed for one in asked} == {10, 11, 12}
    assert len({one.request_id for one in asked}) == 3
    assert (front.json["usage"]["prompt_tokens"], front.json["usage"]["completion_tokens"]) == (7, 3 * len(ids))


@pytest.mark.parametrize("asked", [{"messages": [{"role": "user", "content": "a" * 200}]}, {"max_tokens": 60}])
async def test_a_request_beyond_the_context_is_refused(tokenizer: Tokenizer, asked: dict[str, Any]) -> None:
    """Prompt, or prompt and asked-for answer, longer than the model takes: the engine is not bothered."""
    async with scripted(Runtime.VLLM, tokenizer, Script()) as (front, engine):
        with pytest.raises(ContextLengthError):
            await front.ask(Endpoint.CHAT, {**HELLO, **asked})

        assert engine.asked == []


async def test_the_workers_rank_is_asked_for(tokenizer: Tokenizer) -> None:
    """Several workers may stand behind one address; 0 is a rank."""
    script = Script()
    engine = ScriptedEngine(Runtime.VLLM, script)
    script.messages = (engine.complete("stop", *ids_of(tokenizer, "a")),)
    async with engine.serving() as address:
        async with pipeline(await worker_at(f"grpc://{address}@0", Runtime.VLLM, tokenizer)) as front:
            await front.ask(Endpoint.CHAT, HELLO)
        async with pipeline(await worker_at(f"grpc://{address}", Runtime.VLLM, tokenizer)) as front:
            await front.ask(Endpoint.CHAT, HELLO)
    ranked, plain = engine.asked

    assert ranked.HasField("data_parallel_rank")
    assert ranked.data_parallel_rank == 0
    assert not plain.HasField("data_parallel_rank")


async def test_a_second_attempt_asks_under_another_name(tokenizer: Tokenizer) -> None:
    """The prompt stays the same; an engine that still knows the first name would refuse it."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.complete("stop", *ids_of(tokenizer, "a")),)
        request = front.request(Endpoint.CHAT, HELLO)
        front.router.check(request)
        for sink in (CollectingSink(), CollectingSink()):
            with front.workers[0].lease(1) as lease:
                await front.router.dispatch(front.workers[0], request, sink, lease)
        first, second = engine.asked

    assert first.tokenized == second.tokenized
    assert first.request_id != second.request_id
