"""The SDK's checks against real engines, reached over HTTP and over gRPC."""

from __future__ import annotations

import pytest

from tests.e2e import sdk
from tests.e2e.gateways import client, gateway
from tests.engines.programs import NAME

FLEETS = {
    "vllm-http": ["vllm-http"],
    "vllm-grpc": ["vllm-grpc"],
    "mlx-grpc": ["mlx-grpc"],
    "vllm-mixed": ["vllm-http", "vllm-grpc"],
}
CHECKS = (*sdk.COMMON, sdk.echo, sdk.seed)
NOT_SERVED = {
    ("mlx-grpc", "seed"): "its servicer seeds one thread and draws on another: the same seed gives other answers",
}


@pytest.mark.engines
@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("fleet", FLEETS)
async def test_sdk(engines, fleet, check):
    """The same checks hold for real engines in both modes as for simulated ones."""
    if (fleet, check.__name__) in NOT_SERVED:
        pytest.skip(NOT_SERVED[fleet, check.__name__])
    workers = [
        {"url": await engines(kind), "models": [{"id": NAME}] if kind == "mlx-grpc" else []} for kind in FLEETS[fleet]
    ]
    async with gateway(workers) as front, client(front) as openai:
        await check(openai, NAME)
