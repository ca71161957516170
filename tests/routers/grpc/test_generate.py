"""SGLang's native endpoint over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from smg.core.errors import InvalidRequestError, UnsupportedFieldError
from smg.core.words import Endpoint, Runtime
from tests.routers.grpc.scripted import Script, ids_of, scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.text.tokenizer import Tokenizer


async def test_the_native_endpoint(tokenizer: Tokenizer) -> None:
    """/generate answers in SGLang's shape, with ids and without a model named."""
    script = Script()
    async with scripted(Runtime.SGLANG, tokenizer, script) as (front, engine):
        ids = ids_of(tokenizer, "ab")
        script.messages = (engine.complete("stop", *ids, prompt_tokens=1, cached_tokens=1),)
        body = {"input_ids": [5], "sampling_params": {"max_new_tokens": 4}, "rid": "mine"}
        await front.ask(Endpoint.GENERATE, body)
        asked = engine.asked[0]

    assert front.json["text"] == "ab"
    assert front.json["output_ids"] == ids
    assert front.json["meta_info"]["id"] == "mine"
    assert front.json["meta_info"]["cached_tokens"] == 1
    assert asked.sampling_params.max_new_tokens == 4


async def test_each_prompt_of_a_batch_has_its_own_sampling(tokenizer: Tokenizer) -> None:
    """The answer is a list in the order of the prompts; ids of answers differ."""

    async def count(request: Any, _: Any) -> AsyncIterator[Any]:
        yield engine.complete("length", *ids_of(tokenizer, "abcdef")[: request.sampling_params.max_new_tokens])

    body = {"text": ["x", "y"], "sampling_params": [{"max_new_tokens": 1}, {"max_new_tokens": 3}]}
    async with scripted(Runtime.SGLANG, tokenizer, count) as (front, engine):
        await front.ask(Endpoint.GENERATE, body)

    assert [answer["text"] for answer in front.json] == ["a", "abc"]
    assert len({answer["meta_info"]["id"] for answer in front.json}) == 2


async def test_the_prompts_logprobs_begin_where_the_caller_says(tokenizer: Tokenizer) -> None:
    """logprob_start_len counts from the prompt's first token."""
    script = Script()
    body = {"input_ids": [5, 6, 7], "return_logprob": True, "logprob_start_len": 1}
    async with scripted(Runtime.SGLANG, tokenizer, script) as (front, engine):
        complete = engine.complete("stop", *ids_of(tokenizer, "a"))
        scored = complete.complete.input_logprobs
        scored.token_ids.extend([5, 6, 7])
        for value in (None, -1.0, -2.0):
            scored.token_logprobs.add(value=value)
        script.messages = (complete,)
        await front.ask(Endpoint.GENERATE, body)

    assert [entry[1] for entry in front.json["meta_info"]["input_token_logprobs"]] == [6, 7]


async def test_a_field_beside_the_sampling_is_not_ignored(tokenizer: Tokenizer) -> None:
    """What the engine's protocol has no room for is refused by name, the rest reaches it."""
    script = Script()
    async with scripted(Runtime.SGLANG, tokenizer, script) as (front, engine):
        script.messages = (engine.complete("stop", *ids_of(tokenizer, "a")),)
        request = front.request(Endpoint.GENERATE, {"text": "a", "priority": 3})
        front.router.check(request)
        refusal = front.router.refusal(request)
        await front.ask(Endpoint.GENERATE, {"text": "a", "lora_id": "mine"})

        assert isinstance(refusal, UnsupportedFieldError)
        assert refusal.param == "priority"
        assert engine.asked[0].lora_id == "mine"


async def test_answers_of_a_batch_are_as_many_for_each_prompt(tokenizer: Tokenizer) -> None:
    """SGLang asks for the same, since answers are told by their place."""
    body = {"text": ["x", "y"], "sampling_params": [{"n": 1}, {"n": 2}]}
    async with scripted(Runtime.SGLANG, tokenizer, Script()) as (front, _):
        with pytest.raises(InvalidRequestError) as caught:
            front.router.check(front.request(Endpoint.GENERATE, body))

    assert caught.value.param == "sampling_params"
