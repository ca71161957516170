"""Chat and completions of the HTTP engines."""

from __future__ import annotations

import json

import pytest

from smg.core.words import Runtime
from smg.sim import vocabulary
from tests.sim.support import MESSAGES, PROMPT_IDS, events, http_engine

BOTH = pytest.mark.parametrize("runtime", [Runtime.VLLM, Runtime.SGLANG])


@BOTH
async def test_stream_and_whole_answer_are_the_same(runtime) -> None:
    """Deltas joined are the text of the plain answer, with the same end and the same usage."""
    body = {"messages": MESSAGES, "model": "sim"}
    async with http_engine(runtime) as (_, session):
        whole = await (await session.post("/v1/chat/completions", json=body)).json()
        asked = body | {"stream": True, "stream_options": {"include_usage": True}}
        response = await session.post("/v1/chat/completions", json=asked)
        chunks = await events(response)

    assert response.content_type == "text/event-stream"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    deltas = [chunk["choices"][0] for chunk in chunks[1:-1]]
    assert len(deltas) > 10
    assert "".join(one["delta"]["content"] for one in deltas) == whole["choices"][0]["message"]["content"]
    assert deltas[-1]["finish_reason"] == whole["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == whole["usage"]["total_tokens"]
    assert whole["usage"]["prompt_tokens"] == len(PROMPT_IDS)
    assert chunks[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


@BOTH
async def test_streamed_characters_are_whole(runtime) -> None:
    """No event holds a part of a character, though tokens do."""
    async with http_engine(runtime) as (_, session):
        for seed in range(10):
            body = {"messages": MESSAGES, "stream": True, "seed": seed}
            chunks = await events(await session.post("/v1/chat/completions", json=body))

            assert all("\ufffd" not in chunk["choices"][0]["delta"]["content"] for chunk in chunks)


async def test_stop_string_is_trimmed_in_streams_too() -> None:
    """Neither the stop string nor a beginning of it is shown."""
    async with http_engine(Runtime.VLLM) as (_, session):
        body = {"messages": MESSAGES}
        text = (await (await session.post("/v1/chat/completions", json=body)).json())["choices"][0]["message"][
            "content"
        ]
        stop = text[30:36]
        chunks = await events(await session.post("/v1/chat/completions", json=body | {"stop": stop, "stream": True}))

    shown = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    assert shown == text[: text.find(stop)]
    assert chunks[-1]["choices"][0]["stop_reason"] == stop


async def test_choices_and_prompts_are_numbered() -> None:
    """Two prompts with two choices each give four choices in order, with the prompt echoed where asked."""
    async with http_engine(Runtime.VLLM) as (_, session):
        body = {"prompt": ["one river", vocabulary.encode("two rivers")], "n": 2, "echo": True, "max_tokens": 5}
        answer = await (await session.post("/v1/completions", json=body)).json()
        chunks = await events(await session.post("/v1/completions", json=body | {"stream": True}))

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["choices"][0]["text"].startswith("one river")
    assert answer["choices"][3]["text"].startswith("two rivers")
    assert answer["usage"]["completion_tokens"] == 20
    streamed = dict.fromkeys(range(4), "")
    for chunk in chunks:
        streamed[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert list(streamed.values()) == [choice["text"] for choice in answer["choices"]]


async def test_logprobs_cover_every_token() -> None:
    """Chat and completions tell each token with as many alternatives as asked."""
    async with http_engine(Runtime.VLLM) as (_, session):
        chat = {"messages": MESSAGES, "logprobs": True, "top_logprobs": 3, "max_tokens": 7}
        told = (await (await session.post("/v1/chat/completions", json=chat)).json())["choices"][0]["logprobs"]
        plain = {"prompt": "one river", "logprobs": 2, "max_tokens": 7, "echo": True}
        old = (await (await session.post("/v1/completions", json=plain)).json())["choices"][0]["logprobs"]

    assert len(told["content"]) == 7
    assert all(len(one["top_logprobs"]) == 3 and one["logprob"] <= 0 for one in told["content"])
    count = 7 + len(vocabulary.encode("one river"))
    assert [count] * 4 == [len(old[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")]
    assert old["token_logprobs"][0] is None


@BOTH
async def test_json_answers_are_json(runtime) -> None:
    """A response format is obeyed."""
    body = {"messages": MESSAGES, "response_format": {"type": "json_object"}}
    async with http_engine(runtime) as (_, session):
        answer = await (await session.post("/v1/chat/completions", json=body)).json()

    assert json.loads(answer["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {}),
        ("/v1/chat/completions", {"messages": []}),
        ("/v1/chat/completions", {"messages": [{"content": "x"}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": 7}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": ["x"]}]}),
        ("/v1/chat/completions", {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}),
        ("/v1/chat/completions", {"messages": MESSAGES, "logit_bias": {"x": -100}}),
        ("/v1/chat/completions", {"messages": MESSAGES, "temperature": -1}),
        ("/v1/chat/completions", {"messages": MESSAGES, "top_p": 7}),
        ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 0}),
        ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 10**6}),
        ("/v1/chat/completions", {"messages": MESSAGES, "regex": "a+"}),
        ("/v1/chat/completions", {"messages": MESSAGES, "n": 0}),
        ("/v1/completions", {"prompt": ""}),
        ("/v1/completions", {"prompt": []}),
        ("/v1/completions", {"prompt": [10**6]}),
        ("/v1/completions", {"prompt": [1, "a"]}),
    ],
)
async def test_bad_requests_are_refused_in_the_engines_words(path, body) -> None:
    """The status is 400, the shape is the runtime's, and the engine takes it as a failure."""
    async with http_engine(Runtime.VLLM) as (vllm, session):
        response = await session.post(path, json=body)
        told = await response.json()
        assert (response.status, told["error"]["code"]) == (400, 400)
        assert vllm.ledger.totals.failed == 1
    async with http_engine(Runtime.SGLANG) as (_, session):
        assert (await (await session.post(path, json=body)).json())["object"] == "error"


async def test_only_vllm_minds_the_model_name() -> None:
    """VLLM answers 404 for a model it does not serve, SGLang takes any."""
    body = {"messages": MESSAGES, "model": "other"}
    async with http_engine(Runtime.VLLM) as (_, session):
        assert (await session.post("/v1/chat/completions", json=body)).status == 404
    async with http_engine(Runtime.SGLANG) as (_, session):
        assert (await session.post("/v1/chat/completions", json=body)).status == 200


async def test_ledger_keeps_the_very_bytes() -> None:
    """Body, field names and repeated fields are kept as they came."""
    raw = b'{ "messages":[{"role":"user","content":"x"}],"odd" : 1.50 }'
    async with http_engine(Runtime.VLLM) as (engine, session):
        headers = [("X-Request-Id", "me"), ("X-Two", "1"), ("X-Two", "2")]
        await session.post("/v1/chat/completions", data=raw, headers=headers)

    assert engine.ledger.last.body == raw
    assert engine.ledger.last.request_id == "me"
    assert [value for name, value in engine.ledger.last.headers if name == b"X-Two"] == [b"1", b"2"]
