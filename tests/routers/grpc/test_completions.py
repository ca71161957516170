"""Completions over gRPC: prompts in every spelling, echo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.core.words import Endpoint, Runtime
from tests.routers.grpc.scripted import Script, ids_of, scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.text.tokenizer import Tokenizer


async def test_prompts_in_every_spelling(tokenizer: Tokenizer) -> None:
    """Each prompt is a call; answers come in the order of the prompts."""

    async def echo_length(request: Any, _: Any) -> AsyncIterator[Any]:
        yield engine.complete("stop", *ids_of(tokenizer, "abcdefgh"[: len(request.tokenized.input_ids)]))

    async with scripted(Runtime.VLLM, tokenizer, echo_length) as (front, engine):
        await front.ask(Endpoint.COMPLETIONS, {"model": "m", "prompt": [[1], [1, 2], [1, 2, 3]]})

    assert [choice["text"] for choice in front.json["choices"]] == ["a", "ab", "abc"]
    assert front.json["usage"]["prompt_tokens"] == 6


async def test_an_echoed_prompt_stands_before_the_answer(tokenizer: Tokenizer) -> None:
    """Ids are spelt out; with max_tokens 0 there is only the prompt."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.complete("length", *ids_of(tokenizer, "x")),)
        body = {"model": "m", "prompt": ids_of(tokenizer, "ab"), "echo": True, "max_tokens": 0}
        await front.ask(Endpoint.COMPLETIONS, body)

    assert front.json["choices"][0]["text"] == "ab"
    assert front.json["usage"]["completion_tokens"] == 0


async def test_silence_takes_what_the_context_leaves(tokenizer: Tokenizer) -> None:
    """OpenAI's 16 tokens, or as many as there is room for."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.complete("stop", *ids_of(tokenizer, "a")),)
        await front.ask(Endpoint.COMPLETIONS, {"model": "m", "prompt": [[5], [5] * 60]})
        limits = {len(one.tokenized.input_ids): one.sampling_params.max_tokens for one in engine.asked}

    assert limits == {1: 16, 60: 4}
