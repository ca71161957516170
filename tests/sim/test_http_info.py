"""What HTTP engines tell about themselves."""

from __future__ import annotations

import pytest

from smg.core.words import Runtime
from tests.sim.support import MESSAGES, http_engine, until


async def test_vllm_is_known_by_its_paths() -> None:
    """Models are owned by vllm, there is a version, and SGLang's paths are absent."""
    async with http_engine(Runtime.VLLM) as (engine, session):
        model = (await (await session.get("/v1/models")).json())["data"][0]
        version = await (await session.get("/version")).json()
        absent = await session.get("/get_server_info")
        metrics = await (await session.get("/metrics")).text()
        engine.machine.healthy = False
        sick = await session.get("/health")

    assert (model["id"], model["owned_by"], model["max_model_len"]) == ("sim", "vllm", 32768)
    assert version["version"]
    assert (absent.status, sick.status) == (404, 503)
    assert 'vllm:num_requests_running{model_name="sim"} 0' in metrics


async def test_sglang_is_known_by_its_paths() -> None:
    """Server and model facts are there under both spellings, the version is not."""
    async with http_engine(Runtime.SGLANG) as (_, session):
        new = await (await session.get("/server_info")).json()
        old = await (await session.get("/get_server_info")).json()
        model = await (await session.get("/model_info")).json()
        absent = await session.get("/version")
        metrics = await (await session.get("/metrics")).text()
        health = await session.get("/health_generate")

    assert new == old
    assert (new["served_model_name"], new["dp_size"]) == ("sim", 1)
    assert model["is_generation"]
    assert (absent.status, health.status) == (404, 200)
    assert "sglang:token_usage" in metrics


async def test_loads_show_what_runs() -> None:
    """A running request is counted until it ends."""
    async with http_engine(Runtime.SGLANG) as (engine, session):
        engine.faults.set("stall_after:1")
        response = await session.raw.post("/v1/chat/completions", json={"messages": MESSAGES, "stream": True})
        await until(lambda: engine.machine.load(0) == 1)
        busy = (await (await session.get("/v1/loads")).json())["loads"][0]
        short = (await (await session.get("/get_load")).json())[0]
        response.close()
        await until(lambda: engine.machine.load(0) == 0)

    assert busy["num_running_reqs"] == short["num_reqs"] == 1
    assert busy["num_used_tokens"] > 0


async def test_flush_and_abort_over_http() -> None:
    """A flushed cache gives no hits, and an abort ends a request by its id."""
    body = {"messages": MESSAGES}
    async with http_engine(Runtime.SGLANG) as (engine, session):
        await session.post("/v1/chat/completions", json=body)
        await session.post("/flush_cache")
        cold = await (await session.post("/v1/chat/completions", json=body)).json()
        engine.faults.set("stall_after:1")
        held = await session.raw.post("/generate", json={"text": "a", "rid": "mine", "stream": True})
        await until(lambda: engine.machine.load(0) == 1)
        await session.post("/abort_request", json={"rid": "mine"})
        told = await held.text()

    assert cold["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert '"type":"abort"' in told
    assert engine.ledger.last.ended == "aborted"


@pytest.mark.parametrize(("fault", "status"), [("status:503", 200), (None, 200), ("nonsense", 400)])
async def test_faults_are_set_over_http(fault, status) -> None:
    """The standing fault is set and taken away by a request; a misspelt one is refused."""
    async with http_engine(Runtime.VLLM) as (_, session):
        answer = await session.post("/sim/faults", json={"fault": fault})
        chat = await session.post("/v1/chat/completions", json={"messages": MESSAGES})

    assert answer.status == status
    assert chat.status == (503 if fault == "status:503" else 200)
