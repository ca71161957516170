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


async def asked(tokenizer: Tokenizer, endpoint: Endpoint, body: dict[str, Any], runtime: Runtime = Runtime.VLLM) -> Any:
    """Return the answer of a gateway whose engine cannot be reached."""
    async with pipeline(await worker_at("grpc://127.0.0.1:1", runtime, tokenizer)) as front:
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


@pytest.mark.parametrize(("runtime", "shown"), [(Runtime.VLLM, "<|im_start|>a"), (Runtime.SGLANG, "a")])
async def test_special_tokens_are_spelt_on_request(tokenizer: Tokenizer, runtime: Runtime, shown: str) -> None:
    """Unasked, as the engine's own server does."""
    tokens = tokenizer.encode("<|im_start|>a", add_special_tokens=False)

    for skip, text in ((None, shown), (False, "<|im_start|>a"), (True, "a")):
        body = {"tokens": tokens, "skip_special_tokens": skip}
        assert (await asked(tokenizer, Endpoint.DETOKENIZE, body, runtime))["text"] == text


async def test_an_empty_text_has_no_tokens(tokenizer: Tokenizer) -> None:
    """It is no fault to ask."""
    answer = await asked(tokenizer, Endpoint.TOKENIZE, {"prompt": ""})

    assert (answer["tokens"], answer["count"]) == ([], 0)


async def test_tokens_are_named_as_the_vocabulary_names_them(tokenizer: Tokenizer) -> None:
    """With its marks for spaces, as vLLM's server has it."""
    answer = await asked(tokenizer, Endpoint.TOKENIZE, {"prompt": "a b", "return_token_strs": True})

    assert "".join(answer["token_strs"]) == "a\u0120b"


async def test_ids_beyond_the_vocabulary_are_no_text(tokenizer: Tokenizer) -> None:
    """They are refused by name."""
    with pytest.raises(InvalidRequestError) as caught:
        await asked(tokenizer, Endpoint.DETOKENIZE, {"tokens": [tokenizer.vocab_size]})

    assert caught.value.param == "tokens"
