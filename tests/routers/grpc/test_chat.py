"""A chat over gRPC: the template, the defaults, the stream and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from smg.core.errors import UpstreamError
from smg.core.words import Endpoint, Runtime
from smg.text.template import ChatTemplate
from tests.routers.grpc.scripted import HELLO, Script, contents, ids_of, scripted

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


async def test_a_chat_streams(tokenizer: Tokenizer) -> None:
    """Role, text whose characters are split over messages, finish, usage, end."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        ids = ids_of(tokenizer, "hi 🙂 there")
        chunks = [engine.chunk(one, prompt_tokens=9, cached_tokens=4) for one in ids]
        script.messages = (*chunks, engine.complete("stop", ids[-1], prompt_tokens=9, cached_tokens=4))
        request = await front.ask(Endpoint.CHAT, {**HELLO, "stream": True, "stream_options": {"include_usage": True}})

    events = front.events
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert contents(events) == "hi 🙂 there"
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["prompt_tokens"] == 9
    assert events[-1]["usage"]["completion_tokens"] == len(ids)
    assert events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert front.sink.body.endswith(b"data: [DONE]\n\n")
    assert front.sink.finished
    assert (request.trail.prompt_tokens, request.trail.completion_tokens) == (9, len(ids))
    assert events[0]["model"] == "m"
    assert events[0]["id"] == "chatcmpl-req-1"


async def test_a_chat_is_answered_whole(tokenizer: Tokenizer) -> None:
    """The engine is not asked to stream, and no abort follows an answer that ended by itself."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        ids = ids_of(tokenizer, "hello there")
        script.messages = (engine.complete("length", *ids, prompt_tokens=5),)
        await front.ask(Endpoint.CHAT, HELLO)
        asked, aborted = engine.asked[0], engine.aborted

    assert front.json["choices"][0]["message"]["content"] == "hello there"
    assert front.json["choices"][0]["finish_reason"] == "length"
    assert front.json["usage"]["total_tokens"] == 5 + len(ids)
    assert not asked.stream
    assert aborted == []
    assert asked.tokenized.original_text == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    assert list(asked.tokenized.input_ids) == ids_of(tokenizer, asked.tokenized.original_text)


async def test_silence_takes_the_models_defaults(tokenizer: Tokenizer) -> None:
    """generation_config's temperature, all ids that end a text, and all the context leaves."""
    script = Script()
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.complete("stop", *ids_of(tokenizer, "a")),)
        await front.ask(Endpoint.CHAT, HELLO)
        params, prompt = engine.asked[0].sampling_params, engine.asked[0].tokenized.input_ids

    assert params.temperature == pytest.approx(0.7)
    assert set(params.stop_token_ids) == tokenizer.eos_token_ids
    assert len(tokenizer.eos_token_ids) == 2
    assert params.max_tokens == 64 - len(prompt)


async def test_what_the_caller_says_stands(tokenizer: Tokenizer) -> None:
    """Fields reach the engine, ignore_eos keeps the end ids out."""
    script = Script()
    body = {
        **HELLO,
        "temperature": 0,
        "max_tokens": 3,
        "ignore_eos": True,
        "seed": 7,
        "logit_bias": {"5": 1.5},
        "min_tokens": 2,
        "stop_token_ids": [9],
        "response_format": {"type": "json_object"},
    }
    async with scripted(Runtime.VLLM, tokenizer, script) as (front, engine):
        script.messages = (engine.complete("length", *ids_of(tokenizer, "abc")),)
        await front.ask(Endpoint.CHAT, body)
        params = engine.asked[0].sampling_params

    assert (params.temperature, params.max_tokens, params.seed, params.min_tokens) == (0, 3, 7, 2)
    assert list(params.stop_token_ids) == [9]
    assert dict(params.logit_bias) == {5: 1.5}
    assert params.WhichOneof("constraint") is not None


@pytest.mark.parametrize("runtime", [Runtime.VLLM, Runtime.SGLANG])
async def test_the_models_limit_is_the_engines(own_tokenizer: Tokenizer, runtime: Runtime) -> None:
    """A silent caller's answer is as long as generation_config lets it be, where the engine's own server heeds it."""
    own_tokenizer.answer_tokens = 5
    async with scripted(runtime, own_tokenizer, Script()) as (front, engine):
        with pytest.raises(UpstreamError):
            await front.ask(Endpoint.CHAT, HELLO)
        asked = engine.asked[0]

    room = 64 - len(asked.tokenized.input_ids)
    assert asked_tokens(asked) == (5 if runtime is Runtime.VLLM else room)


def asked_tokens(asked: Any) -> int:
    params = asked.sampling_params
    return int(params.max_tokens if hasattr(params, "max_tokens") else params.max_new_tokens)


@pytest.mark.parametrize(("runtime", "told"), [(Runtime.VLLM, True), (Runtime.SGLANG, False)])
async def test_tools_that_must_not_be_called_are_told_as_the_engine_tells_them(
    own_tokenizer: Tokenizer, runtime: Runtime, told: bool
) -> None:
    """VLLM's server keeps them in the prompt, SGLang's leaves them out."""
    own_tokenizer.template = ChatTemplate("{{ tools[0].function.name if tools else '-' }}", {})
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with scripted(runtime, own_tokenizer, Script()) as (front, engine):
        with pytest.raises(UpstreamError):
            await front.ask(Endpoint.CHAT, {**HELLO, "tools": tools, "tool_choice": "none"})
        text = engine.asked[0].tokenized.original_text

    assert (text == "f") is told
