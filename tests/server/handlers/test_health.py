from __future__ import annotations

from typing import Any

import pytest

from tests.server.gateways import GRPC, HTTP, gateway


async def test_gateway_without_workers_lives_but_is_not_ready() -> None:
    """Liveness asks about the process, readiness about the fleet; the reason is told."""
    async with gateway() as asked:
        for path in ("/health", "/liveness"):
            async with asked.session.get(asked.url + path) as answer:
                assert (answer.status, await answer.text()) == (200, "OK")
        status, _, told = await asked.ask("GET", "/readiness")

    assert (status, told["reason"], told["total_workers"]) == (503, "insufficient healthy workers", 0)


@pytest.mark.parametrize("kind", [HTTP, GRPC])
@pytest.mark.parametrize("path", ["/health_generate", "/get_server_info", "/get_model_info"])
async def test_engine_is_asked_in_either_mode(kind: Any, path: Any) -> None:
    """The facts of an engine, and its deep check, come through the fleet whatever it speaks."""
    async with gateway(kind) as asked:
        status, fields, told = await asked.ask("GET", path)
        [worker] = asked.gateway.registry.fleet.workers

    assert (status, fields["x-smg-routed-worker-id"]) == (200, worker)
    assert told


async def test_no_worker_means_503_with_retry_after() -> None:
    """A question for an engine has no answer without one."""
    async with gateway() as asked:
        status, fields, told = await asked.ask("GET", "/get_model_info")

    assert (status, fields["retry-after"], told["error"]["code"]) == (503, "1", "no_available_workers")


async def test_deep_check_passes_on_to_the_next_worker() -> None:
    """One engine that is gone does not fail the check while another answers."""
    async with gateway(HTTP, GRPC) as asked:
        await asked.engines[0].kill()
        status, _, _ = await asked.ask("GET", "/health_generate")

    assert status == 200
