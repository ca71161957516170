"""The same engine asked over HTTP and over gRPC: the caller cannot tell which it was."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest

from smg.core.words import ConnectionMode, Endpoint, Runtime
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from tests.routers.grpc.scripted import contents, pipeline, worker_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from smg.text.tokenizer import Tokenizer
    from tests.routers.grpc.scripted import Pipeline

SETTINGS = EngineSettings(model="m", speed=0, context_length=64)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "tell me of the sea"}], "temperature": 0}
TEXT = {"model": "m", "prompt": "the sea", "temperature": 0, "max_tokens": 12}

CHATS = [
    pytest.param({}, id="plain"),
    pytest.param({"max_tokens": 5}, id="max_tokens"),
    pytest.param({"max_completion_tokens": 5}, id="max_completion_tokens"),
    pytest.param({"stop": ["e"]}, id="stop"),
    pytest.param({"ignore_eos": True, "max_tokens": 9}, id="ignore_eos"),
    pytest.param({"min_tokens": 20, "max_tokens": 25}, id="min_tokens"),
    pytest.param({"logit_bias": {"300": -100}}, id="logit_bias"),
    pytest.param({"n": 2, "temperature": 1}, id="n"),
    pytest.param({"logprobs": True, "top_logprobs": 2, "max_tokens": 6}, id="logprobs"),
    pytest.param({"logprobs": True, "max_tokens": 6, "stop": ["e"]}, id="logprobs and stop"),
    pytest.param(
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
            }
        },
        id="json_schema",
    ),
    pytest.param({"chat_template_kwargs": {"enable_thinking": False}}, id="chat_template_kwargs"),
]
COMPLETIONS = [
    pytest.param({}, id="plain"),
    pytest.param({"prompt": [280, 281]}, id="ids"),
    pytest.param({"prompt": [[280, 281], [282]]}, id="lists of ids"),
    pytest.param({"prompt": ["the sea", "a hill"]}, id="texts"),
    pytest.param({"echo": True}, id="echo"),
    pytest.param({"echo": True, "logprobs": 1}, id="echo with logprobs"),
    pytest.param({"logprobs": 2}, id="logprobs"),
    pytest.param({"n": 2, "temperature": 1, "prompt": ["the sea", "a hill"]}, id="n of two prompts"),
    pytest.param({"stop": "e"}, id="stop"),
    pytest.param({"max_tokens": None}, id="silence"),
]
BROKEN = "\N{REPLACEMENT CHARACTER}"
RUNTIMES = [Runtime.SGLANG, Runtime.VLLM]


@asynccontextmanager
async def both(runtime: Runtime, tokenizer: Tokenizer) -> AsyncIterator[tuple[str, Pipeline]]:
    """Run one engine for each mode, and the pipeline in front of the second."""
    over_http, over_grpc = ConnectionMode.HTTP, ConnectionMode.GRPC
    async with SimEngine(over_http, runtime, SETTINGS) as http, SimEngine(over_grpc, runtime, SETTINGS) as grpc:
        worker = await worker_at(grpc.url, runtime, tokenizer)
        await worker.discover()
        async with pipeline(worker) as front:
            yield http.url, front


async def over_http(url: str, endpoint: Endpoint, body: dict[str, Any]) -> bytes:
    """Return the engine's own answer."""
    async with aiohttp.ClientSession() as session, session.post(url + endpoint.value, json=body) as answer:
        text = await answer.read()
        assert answer.status == 200, text
        return text


def essence(choice: dict[str, Any], runtime: Runtime) -> dict[str, Any]:
    """Return what must be the same of a choice; the simulated vLLM shows broken characters as SGLang does."""
    ended = "stop_reason" if runtime is Runtime.VLLM else "matched_stop"
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    if runtime is Runtime.VLLM:
        text = text.rstrip(BROKEN)
    logprobs = spelt(choice, whole=runtime is Runtime.VLLM)
    return {"text": text, "finish": choice["finish_reason"], "ended": choice[ended], "logprobs": logprobs}


def spelt(choice: dict[str, Any], *, whole: bool) -> Any:
    """Return the tokens of the log-probabilities; only those of plain letters if parts of others are told apart."""
    told = choice.get("logprobs") or {}
    if "tokens" in told:
        logprobs = [value and round(value, 3) for value in told["token_logprobs"]]
        return [token for token in told["tokens"] if (token.isascii() and token) or not whole], logprobs
    return [
        (entry["token"], round(entry["logprob"], 3), entry["bytes"], [top["token"] for top in entry["top_logprobs"]])
        for entry in told.get("content") or []
        if not whole or all(top["token"].isascii() and top["token"] for top in (entry, *entry["top_logprobs"]))
    ]


def counts(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]


async def assert_same(tokenizer: Tokenizer, runtime: Runtime, endpoint: Endpoint, body: dict[str, Any]) -> None:
    async with both(runtime, tokenizer) as (url, front):
        expected = msgspec.json.decode(await over_http(url, endpoint, body))
        await front.ask(endpoint, body)

    assert [essence(one, runtime) for one in front.json["choices"]] == [
        essence(one, runtime) for one in expected["choices"]
    ]
    assert counts(front.json) == counts(expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("more", CHATS)
async def test_a_chat_is_the_same(tokenizer: Tokenizer, runtime: Runtime, more: dict[str, Any]) -> None:
    """Text, reasons, log-probabilities and counts."""
    await assert_same(tokenizer, runtime, Endpoint.CHAT, {**CHAT, **more})


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("more", COMPLETIONS)
async def test_a_completion_is_the_same(tokenizer: Tokenizer, runtime: Runtime, more: dict[str, Any]) -> None:
    """Text, reasons, log-probabilities and counts."""
    await assert_same(tokenizer, runtime, Endpoint.COMPLETIONS, {**TEXT, **more})


@pytest.mark.parametrize("more", [{"seed": 3}, {"response_format": {"type": "json_object"}}])
async def test_what_only_vllm_is_told_is_the_same(tokenizer: Tokenizer, more: dict[str, Any]) -> None:
    """SGLang's protocol has no seed, and a word of its own for any JSON."""
    await assert_same(tokenizer, Runtime.VLLM, Endpoint.CHAT, {**CHAT, **more})


@pytest.mark.parametrize("runtime", [*RUNTIMES, Runtime.MLX])
@pytest.mark.parametrize("more", [{}, {"stop": ["e", "zz"]}, {"max_tokens": 5}, {"n": 2, "seed": None}])
async def test_a_stream_adds_up_to_the_whole(tokenizer: Tokenizer, runtime: Runtime, more: dict[str, Any]) -> None:
    """The deltas of each answer are its text; usage and reasons are those of the whole answer."""
    async with SimEngine(ConnectionMode.GRPC, runtime, SETTINGS) as engine:
        async with pipeline(await worker_at(engine.url, runtime, tokenizer)) as whole:
            await whole.ask(Endpoint.CHAT, {**CHAT, **more})
        async with pipeline(await worker_at(engine.url, runtime, tokenizer)) as streamed:
            options = {"stream": True, "stream_options": {"include_usage": True}}
            await streamed.ask(Endpoint.CHAT, {**CHAT, **more, **options})

    for choice in whole.json["choices"]:
        index = choice["index"]
        assert contents(streamed.events, index) == choice["message"]["content"]
        assert choice["finish_reason"] in reasons(streamed.events, index)
    assert counts(streamed.events[-1]) == counts(whole.json)


def reasons(events: list[Any], index: int) -> set[str]:
    return {choice["finish_reason"] for event in events for choice in event["choices"] if choice["index"] == index}


@pytest.mark.parametrize("more", [{}, {"text": ["the sea", "a hill"]}, {"return_logprob": True, "top_logprobs_num": 2}])
async def test_the_native_answer_is_the_same(tokenizer: Tokenizer, more: dict[str, Any]) -> None:
    """SGLang's own shape: text, ids, counts and log-probabilities."""
    body = {"text": "the sea", "sampling_params": {"temperature": 0, "max_new_tokens": 9}, **more}
    async with both(Runtime.SGLANG, tokenizer) as (url, front):
        told = msgspec.json.decode(await over_http(url, Endpoint.GENERATE, body))
        await front.ask(Endpoint.GENERATE, body)

    assert [native(one) for one in listed(front.json)] == [native(one) for one in listed(told)]


def listed(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def native(answer: dict[str, Any]) -> dict[str, Any]:
    meta = answer["meta_info"]
    logprobs = [(round(entry[0], 3), entry[1]) for entry in meta.get("output_token_logprobs") or []]
    told = {name: meta[name] for name in ("finish_reason", "prompt_tokens", "completion_tokens")}
    return {"text": answer["text"], "ids": answer["output_ids"], "logprobs": logprobs, **told}


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_embeddings_are_the_same(tokenizer: Tokenizer, runtime: Runtime) -> None:
    """Vectors and counts."""
    body = {"model": "m", "input": ["the sea", "a hill"]}
    async with both(runtime, tokenizer) as (url, front):
        told = msgspec.json.decode(await over_http(url, Endpoint.EMBEDDINGS, body))
        await front.ask(Endpoint.EMBEDDINGS, body)

    for mine, theirs in zip(front.json["data"], told["data"], strict=True):
        assert mine["embedding"] == pytest.approx(theirs["embedding"], abs=1e-5)
    assert front.json["usage"]["prompt_tokens"] == told["usage"]["prompt_tokens"]
