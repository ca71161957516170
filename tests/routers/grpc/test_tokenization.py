"""Tokens and texts by the gateway alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.words import Endpoint, Runtime
from tests.routers.grpc.scripted import pipeline, worker_at

if TYPE_CHECKING:
    from smg.text.tokenizer import Tokenizer


async def test_tokens_and_texts_without_the_engine(tokenizer: Tokenizer) -> None:
    """Tokenize and detokenize are each other's inverse, and ask no engine."""
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)) as front:
        await front.ask(Endpoint.TOKENIZE, {"model": "m", "prompt": "hi 🙂"})
        tokens = front.json["tokens"]
        again = type(front)(front.router, front.workers)
        await again.ask(Endpoint.DETOKENIZE, {"model": "m", "tokens": tokens})

    assert front.json["count"] == len(tokens)
    assert front.json["max_model_len"] == 64
    assert again.json["text"] == "hi 🙂"
