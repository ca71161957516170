"""SGLang's own endpoint and the tokenizer endpoints."""

from __future__ import annotations

import itertools

from smg.core.words import Runtime
from smg.sim import vocabulary
from tests.sim.support import MESSAGES, PROMPT_IDS, events, http_engine


async def test_generate_streams_the_whole_text_so_far() -> None:
    """Each event repeats the text before it; the last one says why it ended."""
    body = {"input_ids": PROMPT_IDS, "rid": "mine", "return_logprob": True, "top_logprobs_num": 2}
    async with http_engine(Runtime.SGLANG) as (_, session):
        whole = await (await session.post("/generate", json=body)).json()
        chunks = await events(await session.post("/generate", json=body | {"stream": True}))

    texts = [chunk["text"] for chunk in chunks]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert texts[-1] == whole["text"]
    assert whole["meta_info"]["id"] == "mine"
    assert whole["meta_info"]["finish_reason"] == {"type": "stop", "matched": vocabulary.END_OF_TURN_ID}
    assert chunks[0]["meta_info"]["finish_reason"] is None
    assert len(whole["meta_info"]["output_token_logprobs"]) == whole["meta_info"]["completion_tokens"]


async def test_generate_takes_several_texts_and_samplings() -> None:
    """A list gives a list; a limit is told as such; vLLM has no such path."""
    body = {"text": ["a river", "a tree"], "sampling_params": {"max_new_tokens": 4}}
    async with http_engine(Runtime.SGLANG) as (_, session):
        answers = await (await session.post("/generate", json=body)).json()
        empty = await session.post("/generate", json={"input_ids": []})
    async with http_engine(Runtime.VLLM) as (_, session):
        absent = await session.post("/generate", json=body)

    assert [one["meta_info"]["finish_reason"] for one in answers] == [{"type": "length", "length": 4}] * 2
    assert empty.status == 200
    assert await empty.json() == []
    assert absent.status == 404


async def test_tokens_of_text_and_chat() -> None:
    """Tokens are counted, and their text comes back under the runtime's name."""
    async with http_engine(Runtime.VLLM) as (_, session):
        told = await (await session.post("/tokenize", json={"prompt": "a river", "return_token_strs": True})).json()
        chat = await (await session.post("/tokenize", json={"messages": MESSAGES})).json()
        refused = await session.post("/tokenize", json={})
        back = await (await session.post("/detokenize", json={"tokens": told["tokens"]})).json()
    async with http_engine(Runtime.SGLANG) as (_, session):
        native = await (await session.post("/v1/detokenize", json={"tokens": PROMPT_IDS})).json()

    assert told["tokens"] == vocabulary.encode("a river")
    assert "".join(told["token_strs"]) == "a river"
    assert chat["tokens"] == PROMPT_IDS
    assert refused.status == 400
    assert back == {"prompt": "a river"}
    assert "<|im_start|>" not in native["text"]
