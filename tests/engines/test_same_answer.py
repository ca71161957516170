"""The gRPC answer is the engine's own HTTP answer: text, token counts and reason to end."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI

from tests.e2e.gateways import client, gateway
from tests.engines.programs import MODEL, NAME

PROMPTS = ["Hello", "What is a gateway?", "Größe, café, 東京 🙂", "1 2 3 4", "x" * 300]
ASKS = [
    {"max_tokens": 16},
    {"max_tokens": 40, "stop": ["e"]},
    {"max_tokens": 24, "logit_bias": {"70": -100, "90": 5}},
    {"max_tokens": 12, "frequency_penalty": 0.5, "presence_penalty": 0.5},
]


def facts(answer):
    """Return what must be the same."""
    usage = answer.usage
    return [
        (getattr(choice, "text", None) or choice.message.content, choice.finish_reason) for choice in answer.choices
    ], (usage.prompt_tokens, usage.completion_tokens)


async def both(engines, family, ask):
    """Return the engine's own HTTP answer and the gateway's over gRPC."""
    http, grpc = await engines(f"{family}-http"), await engines(f"{family}-grpc")
    name = NAME if family == "vllm" else str(MODEL)
    async with (
        gateway([{"url": grpc, "models": [{"id": name}]}]) as front,
        client(front) as ours,
        AsyncOpenAI(base_url=f"{http}/v1", api_key="unused", max_retries=0) as theirs,
    ):
        return facts(await ask(theirs, name)), facts(await ask(ours, name))


@pytest.mark.engines
@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("asked", ASKS, ids="-".join)
@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt[:8])
@pytest.mark.parametrize("family", ["vllm", "mlx"])
async def test_chat(engines, family, prompt, asked):
    """For one greedy chat both ways give the same."""

    async def ask(openai, name):
        messages = [{"role": "user", "content": prompt}]
        return await openai.chat.completions.create(model=name, messages=messages, temperature=0, **asked)

    theirs, ours = await both(engines, family, ask)

    assert ours == theirs


@pytest.mark.engines
@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt[:8])
@pytest.mark.parametrize("family", ["vllm", "mlx"])
async def test_completion(engines, family, prompt):
    """For one greedy completion both ways give the same."""

    async def ask(openai, name):
        return await openai.completions.create(model=name, prompt=prompt, temperature=0, max_tokens=16)

    theirs, ours = await both(engines, family, ask)

    assert ours == theirs
