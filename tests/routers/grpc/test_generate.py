"""SGLang's native endpoint over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.words import Endpoint, Runtime
from tests.routers.grpc.scripted import Script, ids_of, scripted

if TYPE_CHECKING:
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
