"""Tokens and texts by the gateway alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from smg.core.errors import InvalidRequestError
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


async def asked(tokenizer: Tokenizer, endpoint: Endpoint, body: dict[str, Any]) -> Any:
    """Return the answer of a gateway whose engine cannot be reached."""
    async with pipeline(await worker_at("grpc://127.0.0.1:1", Runtime.VLLM, tokenizer)) as front:
        await front.ask(endpoint, {"model": "m", **body})
        return front.json


async def test_several_texts_are_answered_in_lists(tokenizer: Tokenizer) -> None:
    """One entry per text; the tokens are spelt out on request."""
    answer = await asked(tokenizer, Endpoint.TOKENIZE, {"prompt": ["ab", "c"], "return_token_strs": True})

    assert answer["count"] == [2, 1]
    assert answer["token_strs"] == [["a", "b"], ["c"]]
    assert [len(ids) for ids in answer["tokens"]] == [2, 1]
    assert (await asked(tokenizer, Endpoint.DETOKENIZE, {"tokens": answer["tokens"]}))["text"] == ["ab", "c"]


async def test_a_chat_is_tokenized_by_its_template(tokenizer: Tokenizer) -> None:
    """The ids are those the engine would be sent."""
    answer = await asked(tokenizer, Endpoint.TOKENIZE, {"messages": [{"role": "user", "content": "hi"}]})

    text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert answer["tokens"] == tokenizer.encode(text, add_special_tokens=False)


async def test_special_tokens_are_spelt_on_request(tokenizer: Tokenizer) -> None:
    """By default they are left out."""
    tokens = tokenizer.encode("<|im_start|>a", add_special_tokens=False)

    assert (await asked(tokenizer, Endpoint.DETOKENIZE, {"tokens": tokens}))["text"] == "a"
    shown = await asked(tokenizer, Endpoint.DETOKENIZE, {"tokens": tokens, "skip_special_tokens": False})
    assert shown["text"] == "<|im_start|>a"


async def test_ids_beyond_the_vocabulary_are_no_text(tokenizer: Tokenizer) -> None:
    """They are refused by name."""
    with pytest.raises(InvalidRequestError) as caught:
        await asked(tokenizer, Endpoint.DETOKENIZE, {"tokens": [tokenizer.vocab_size]})

    assert caught.value.param == "tokens"
