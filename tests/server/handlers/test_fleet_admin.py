from __future__ import annotations

from typing import Any

import pytest

from tests.server.gateways import GRPC, HTTP, gateway


@pytest.mark.parametrize("path", ["/v1/loads", "/get_loads"])
async def test_loads_of_all_workers_are_told(path: Any) -> None:
    """Each worker has one entry with its ranks, over either protocol."""
    async with gateway(HTTP, GRPC) as asked:
        status, _, told = await asked.ask("GET", path)

    assert status == 200
    assert [(entry["load"], entry["details"]["dp_rank_count"]) for entry in told["workers"]] == [(0, 1), (0, 1)]


async def test_flush_reaches_all_workers() -> None:
    """Every cache is dropped, and the count per mode told."""
    async with gateway(HTTP, GRPC) as asked:
        status, _, told = await asked.ask("POST", "/flush_cache")

    assert (status, told["status"], told["workers_flushed"]) == (200, "success", 2)
    assert (told["total_http_workers"], told["total_grpc_workers"]) == (1, 1)


async def test_flush_tells_who_failed() -> None:
    """A worker that cannot be reached makes the success partial, and is named."""
    async with gateway(HTTP, GRPC) as asked:
        await asked.engines[0].kill()
        status, _, told = await asked.ask("POST", "/flush_cache")

    assert (status, told["status"], told["workers_flushed"]) == (206, "partial_success", 1)
    assert [failure["worker"] for failure in told["failed"]] == [asked.engines[0].url]
