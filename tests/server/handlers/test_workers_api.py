from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from tests.server.gateways import GRPC, HTTP, gateway

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("kind", [HTTP, GRPC])
async def test_worker_is_registered_and_serves(kind: Any) -> None:
    """POST answers 202 with a location; once the engine has answered, the worker is ready and shown in full."""
    async with gateway() as asked, SimEngine(kind[0], kind[1], EngineSettings(model="late", speed=0)) as engine:
        status, fields, told = await asked.ask("POST", "/workers", json={"url": engine.url, "labels": {"a": "b"}})
        await asked.until_ready(1)
        _, _, shown = await asked.ask("GET", told["location"])

    assert (status, fields["location"], told["status"]) == (202, told["location"], "accepted")
    assert (shown["url"], shown["model_id"], shown["status"], shown["is_healthy"]) == (
        engine.url,
        "late",
        "ready",
        True,
    )
    assert (shown["labels"]["a"], shown["job_status"]) == ("b", None)


async def test_unreachable_worker_is_pending_with_its_reason() -> None:
    """What does not answer stays visible with why, and never with its key."""
    async with gateway() as asked:
        _, _, told = await asked.ask("POST", "/workers", json={"url": NOWHERE, "api_key": "sk-worker"})
        _, _, listed = await asked.ask("GET", "/workers")
        _, _, other = await asked.ask("GET", "/workers?model=none")

    [worker] = listed["workers"]
    assert (worker["id"], worker["status"], worker["job_status"]["status"]) == (told["worker_id"], "pending", "pending")
    assert (listed["total"], listed["stats"]["regular_count"], other["total"]) == (1, 1, 0)
    assert "sk-worker" not in str(listed)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"url": NOWHERE}, (409, "conflict", "url")),
        ({"url": "ftp://a"}, (400, "invalid_request", "url")),
        ({"url": "http://b:1", "worker_typ": "regular"}, (400, "invalid_request", "worker_typ")),
        ({"url": "http://b:1", "health": {"timeout_secs": -1}}, (400, "invalid_request", "health.timeout_secs")),
    ],
)
async def test_unusable_spec_is_refused(body: Any, expected: Any) -> None:
    """A second worker of one URL is a conflict; what cannot be used is named, and nothing is registered."""
    async with gateway() as asked:
        await asked.ask("POST", "/workers", json={"url": NOWHERE})
        status, _, told = await asked.ask("POST", "/workers", json=body)

        assert len(asked.gateway.registry.fleet.workers) == 1
    assert (status, told["error"]["code"], told["error"]["param"]) == expected


async def test_patch_changes_what_it_names_and_keeps_the_rest() -> None:
    """Fields that are not named stay; put replaces them all."""
    async with gateway() as asked:
        spec = {"url": NOWHERE, "priority": 7, "bootstrap_port": 9000, "health": {"timeout_secs": 2.5}}
        _, _, told = await asked.ask("POST", "/workers", json=spec)
        patched, _, _ = await asked.ask("PATCH", told["location"], json={"cost": 2.0, "labels": {"x": "y"}})
        _, _, after_patch = await asked.ask("GET", told["location"])
        put, _, _ = await asked.ask("PUT", told["location"], json={"url": NOWHERE, "priority": 3})
        _, _, after_put = await asked.ask("GET", told["location"])

    assert (patched, put) == (202, 202)
    kept = {name: after_patch[name] for name in ("priority", "bootstrap_port", "cost")}
    assert kept == {"priority": 7, "bootstrap_port": 9000, "cost": 2.0}
    assert after_patch["health"]["timeout_secs"] == 2.5
    assert (after_put["priority"], after_put["bootstrap_port"], after_put["cost"]) == (3, None, 1.0)


async def test_removed_worker_drains_and_is_gone() -> None:
    """DELETE answers 202 at once; the worker gets no new request and is not found in the end."""
    async with gateway(HTTP) as asked:
        [worker] = asked.gateway.registry.fleet.workers
        status, _, told = await asked.ask("DELETE", f"/workers/{worker}")
        async with asyncio.timeout(5):
            await asked.gateway.registry.gone(worker)
        missing, _, error = await asked.ask("GET", f"/workers/{worker}")

    assert (status, told["worker_id"]) == (202, worker)
    assert (missing, error["error"]["code"]) == (404, "not_found")
