"""The official OpenAI SDK against the gateway: the same checks for HTTP and gRPC workers."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from smg.core.words import ConnectionMode, Runtime
from tests.e2e import sdk
from tests.e2e.gateways import client, engines, gateway

KINDS = {
    "http-vllm": ((ConnectionMode.HTTP, Runtime.VLLM),),
    "http-sglang": ((ConnectionMode.HTTP, Runtime.SGLANG),),
    "grpc-vllm": ((ConnectionMode.GRPC, Runtime.VLLM),),
    "grpc-sglang": ((ConnectionMode.GRPC, Runtime.SGLANG),),
    "grpc-mlx": ((ConnectionMode.GRPC, Runtime.MLX),),
    "mixed": ((ConnectionMode.HTTP, Runtime.VLLM), (ConnectionMode.GRPC, Runtime.VLLM)),
}
NOT_SERVED = {
    ("grpc-sglang", "seed"),  # its protocol has no seed
    ("grpc-mlx", "embeddings"),  # its protocol has no Embed
    ("grpc-mlx", "echo"),
}


@asynccontextmanager
async def served(kind):
    """Run a gateway over one kind of fleet and yield a client."""
    async with (
        engines(*KINDS[kind]) as running,
        gateway([engine.url for engine in running]) as front,
        client(front) as openai,
    ):
        yield openai


@pytest.mark.parametrize("check", sdk.COMMON, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_fleet(kind, check):
    """Every kind of fleet gives the SDK what OpenAI would."""
    async with served(kind) as openai:
        await check(openai, "sim")


@pytest.mark.parametrize("check", sdk.SOME, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
async def test_fleets_that_can(kind, check):
    """What only some engines serve is served wherever the engine can."""
    if (kind, check.__name__) in NOT_SERVED:
        pytest.skip("the engine's protocol has no such thing")
    async with served(kind) as openai:
        await check(openai, "sim")
