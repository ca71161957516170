"""The gRPC answer is the engine's own HTTP answer: text, tokens, log-probabilities, counts, ends and refusals."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
import pytest_asyncio

from tests.engines import cases
from tests.engines.asking import differences, essence, joined, pair

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

PATHS = {"chat": "/v1/chat/completions", "text": "/v1/completions"}
BASES = {"chat": cases.CHAT, "text": cases.TEXT}
ALIKE = [(kind, name, asked) for kind in PATHS for name, asked in {**cases.SAMPLING, **cases.STOPS}.items()]
ALIKE += [("chat", name, asked) for name, asked in cases.CHATS.items()]
ALIKE += [("text", name, asked) for name, asked in cases.TEXTS.items()]
every_case = pytest.mark.parametrize(("kind", "asked"), [pytest.param(k, a, id=f"{k} {n}") for k, n, a in ALIKE])
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
OPTIONS = [{}, {"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def vllm(engines):
    """Both ways to vLLM."""
    async with pair(engines, "vllm") as both:
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def embedding(engines):
    """Both ways to vLLM where it makes vectors."""
    async with pair(engines, "vllm-embed") as both:
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mlx(engines):
    """Both ways to MLX."""
    async with pair(engines, "mlx") as both:
        yield both


@every_case
async def test_whole(vllm, kind, asked):
    """Text, reason and cause of the end, log-probabilities and counts are the same."""
    theirs, ours = await vllm.ask(PATHS[kind], {**BASES[kind], **asked})

    assert (ours.status, theirs.status) == (200, 200), (theirs.body, ours.body)
    assert list(differences(essence(theirs.body), essence(ours.body))) == []


@every_case
async def test_streamed(vllm, kind, asked):
    """So are they of a stream, whatever its cuts."""
    theirs, ours = await vllm.ask(PATHS[kind], {**BASES[kind], **asked, **USAGE})

    assert (ours.status, theirs.status) == (200, 200), (theirs.body, ours.body)
    assert list(differences(joined(theirs.body), joined(ours.body))) == []


@pytest.mark.parametrize("count", range(1, 41))
@pytest.mark.parametrize("kind", PATHS)
async def test_cut_anywhere(vllm, kind, count):
    """An answer cut inside a character ends as the engine's own."""
    theirs, ours = await vllm.ask(PATHS[kind], {**BASES[kind], "max_tokens": count})

    assert list(differences(essence(theirs.body), essence(ours.body))) == []


@pytest.mark.parametrize("more", [{}, {"n": 2, **cases.HOT}, {"stop": ["e"]}], ids=["one", "two", "stop"])
@pytest.mark.parametrize("options", OPTIONS, ids=["silent", "usage", "usage in each"])
@pytest.mark.parametrize("kind", PATHS)
async def test_events(vllm, kind, options, more):
    """A stream opens, ends and tells its usage where the engine's own does, and its events have the same shape."""
    asked = {**BASES[kind], **more, "stream": True} | ({"stream_options": options} if options else {})
    theirs, ours = [frame(answer) for answer in await vllm.ask(PATHS[kind], asked)]

    assert ours == theirs


def frame(answer: Any) -> dict[str, Any]:
    """Return a stream without the cuts of its text."""
    parts = [part for event in answer.body for part in event["choices"]]
    return {
        "done": answer.done,
        "objects": {event["object"] for event in answer.body},
        "ids": len({event["id"] for event in answer.body}),
        "openings": sorted(part["index"] for part in parts if part.get("delta", {}).get("role")),
        "opens": [sorted(part) for part in parts if part.get("delta", {}).get("role")],
        "ends": sorted((part["index"], part["finish_reason"]) for part in parts if part["finish_reason"]),
        "usage": {"usage" in event for event in answer.body if event["choices"]},
        "after": [event["usage"]["total_tokens"] for event in answer.body if not event["choices"]],
        "last has choices": bool(answer.body[-1]["choices"]),
    }


@pytest.mark.parametrize(("kind", "asked"), cases.REFUSED.values(), ids=cases.REFUSED)
async def test_refusals(vllm, kind, asked):
    """What the engine's own server refuses, the gateway refuses; one too long by the code of its own."""
    theirs, ours = await vllm.ask(PATHS[kind], {**BASES[kind], **asked})

    assert (theirs.status, ours.status) == (400, 400), (theirs.body, ours.body)
    long = any(word in str(theirs.body) for word in ("maximum context length", "max_model_len"))
    assert (ours.body["error"]["code"] == "context_length_exceeded") is long


@pytest.mark.parametrize("asked", cases.TOKENIZED.values(), ids=cases.TOKENIZED)
async def test_tokenize(vllm, asked):
    """Tokens are the engine's own, and so is what they are told with."""
    theirs, ours = await vllm.ask("/tokenize", asked)

    assert list(differences(theirs.body, ours.body)) == []


@pytest.mark.parametrize("tokens", [[70, 71, 72], [cases.START, 70, cases.END]], ids=["text", "special"])
async def test_detokenize(vllm, tokens):
    """Ids are text again, special ones too."""
    theirs, ours = await vllm.ask("/detokenize", {"tokens": tokens})

    assert list(differences(theirs.body, ours.body)) == []


@pytest.mark.parametrize("asked", cases.EMBEDDED.values(), ids=cases.EMBEDDED)
async def test_embeddings(embedding, asked):
    """Vectors and counts are the same, and what is refused."""
    theirs, ours = await embedding.ask("/v1/embeddings", asked)

    assert theirs.status == ours.status
    if ours.status == 200:
        assert list(differences(vectors(theirs.body), vectors(ours.body))) == []


def vectors(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the vectors as numbers, and what was counted."""
    data = [{"index": one["index"], "embedding": numbers(one["embedding"])} for one in answer["data"]]
    usage = {name: answer["usage"][name] for name in ("prompt_tokens", "total_tokens")}
    return {"object": answer["object"], "data": data, "usage": usage}


def numbers(vector: str | list[float]) -> list[float]:
    """Unpack a vector that came as base64 of little-endian floats."""
    if isinstance(vector, list):
        return vector
    packed = base64.b64decode(vector)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


@pytest.mark.parametrize("asked", cases.MLX_CHATS.values(), ids=cases.MLX_CHATS)
@pytest.mark.parametrize("prompt", cases.PROMPTS, ids=lambda prompt: prompt[:8])
async def test_mlx_chat(mlx, prompt, asked):
    """Greedy chats are the same over both of MLX's servers."""
    messages = [{"role": "user", "content": prompt}]
    theirs, ours = await mlx.ask(PATHS["chat"], {**cases.CHAT, "max_tokens": 16, "messages": messages, **asked})

    assert list(differences(plain(essence(theirs.body)), plain(essence(ours.body)))) == []


@pytest.mark.parametrize("prompt", cases.PROMPTS, ids=lambda prompt: prompt[:8])
async def test_mlx_completion(mlx, prompt):
    """Greedy completions too."""
    theirs, ours = await mlx.ask(PATHS["text"], {**cases.TEXT, "max_tokens": 16, "prompt": prompt})

    assert list(differences(plain(essence(theirs.body)), plain(essence(ours.body)))) == []


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Undo what mlx_lm's server does to texts: no first space, byte 0 as another letter, special tokens spelt out.

    It does not say what ended an answer.
    """
    for choice in answer["choices"]:
        choice["stop_reason"] = None
        text = choice["text"].removeprefix(" ").replace("\u0100", "\x00")
        choice["text"] = text.replace("<|endoftext|>", "").replace("<|im_start|>", "")
    return answer
