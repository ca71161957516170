"""Probes of the gateway and questions to all its workers, over every kind of fleet."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from smg.core.words import ConnectionMode, LifeState, Runtime
from smg.server.lifecycle import Gateway
from tests.e2e.gateways import engines, gateway
from tests.e2e.raw import JSON, answer, exchange, get, post, raw_engine
from tests.e2e.settings import settings

FLEETS = {
    "http-sglang": ((ConnectionMode.HTTP, Runtime.SGLANG),),
    "http-vllm": ((ConnectionMode.HTTP, Runtime.VLLM),),
    "grpc-sglang": ((ConnectionMode.GRPC, Runtime.SGLANG),),
    "grpc-vllm": ((ConnectionMode.GRPC, Runtime.VLLM),),
    "grpc-mlx": ((ConnectionMode.GRPC, Runtime.MLX),),
    "mixed": ((ConnectionMode.GRPC, Runtime.SGLANG), (ConnectionMode.HTTP, Runtime.SGLANG)),
}
ALL = pytest.mark.parametrize("fleet", FLEETS)
RANK_FIELDS = {
    "dp_rank", "num_running_reqs", "num_waiting_reqs", "num_waiting_uncached_tokens", "num_total_reqs",
    "num_used_tokens", "max_total_num_tokens", "token_usage", "gen_throughput", "cache_hit_rate", "utilization",
    "max_running_requests",
}  # fmt: skip
OFFERS_NO_LOADS = {"grpc-mlx"}
OFFERS_NO_FLUSH = {"grpc-mlx"}


@asynccontextmanager
async def served(fleet):
    """Run a gateway before a fleet."""
    async with engines(*FLEETS[fleet]) as running, gateway([engine.url for engine in running]) as front:
        yield running, front


async def ask(front, path, method="GET"):
    """Return the answer and its document."""
    sent = get(path) if method == "GET" else post(path, b"", JSON)
    told = await exchange(front.port, sent)
    return told, json.loads(told.body)


@ALL
async def test_ready_says_how_many(fleet):
    """Alive is always alive; ready counts those that take requests."""
    async with served(fleet) as (running, front):
        alive = [await exchange(front.port, get(path)) for path in ("/liveness", "/health")]
        ready, document = await ask(front, "/readiness")
        for worker in front.registry.fleet.workers.values():
            worker.move(LifeState.UNHEALTHY, "test")
        lost, reason = await ask(front, "/readiness")
        still = await exchange(front.port, get("/liveness"))

    count = len(running)
    assert [(told.status, told.body) for told in (*alive, still)] == [(200, b"OK")] * 3
    assert (ready.status, document) == (200, {"status": "ready", "healthy_workers": count, "total_workers": count})
    assert lost.status == 503
    assert (reason["status"], reason["reason"]) == ("not ready", "insufficient healthy workers")


@ALL
@pytest.mark.parametrize("path", ["/get_server_info", "/get_model_info", "/health_generate"])
async def test_one_engine_tells_for_all(fleet, path):
    """Every fleet answers, and says which worker did; where an engine has no words the gateway says what it knows."""
    async with served(fleet) as (_, front):
        told, document = await ask(front, path)

    assert told.status == 200, document
    assert len(told.values(b"x-smg-routed-worker-id")) == 1
    assert document
    assert path != "/get_model_info" or "sim" in json.dumps(document)


async def test_an_engine_without_a_deep_check_is_asked_for_a_token():
    """Real vLLM has no such endpoint over HTTP; generating is the check."""
    async with raw_engine(answer(200, b"{}", JSON), answer(500, b"{}", JSON)) as engine, gateway([engine.url]) as front:
        good, _ = await ask(front, "/health_generate")
        bad, document = await ask(front, "/health_generate")

    assert (good.status, bad.status, document["error"]["code"]) == (200, 502, "upstream_failed")
    assert [seen.target for seen in engine.seen] == [b"/v1/completions"] * 2
    assert json.loads(engine.seen[0].body) == {"model": "sim", "prompt": "a", "max_tokens": 1}


@ALL
@pytest.mark.parametrize("path", ["/v1/loads", "/get_loads"])
async def test_each_worker_tells_its_load(fleet, path):
    """One entry per worker: its load in tokens and its ranks, or -1 and why not."""
    async with served(fleet) as (running, front):
        told, document = await ask(front, path)

    assert told.status == 200
    assert [entry["worker"] for entry in document["workers"]] == [engine.url for engine in running]
    for entry in document["workers"]:
        if fleet in OFFERS_NO_LOADS:
            assert (entry["load"], "details" in entry) == (-1, False)
            assert entry["error"]
        else:
            assert entry["load"] >= 0
            assert entry["details"]["dp_rank_count"] == len(entry["details"]["loads"]) == 1
            assert entry["details"]["loads"][0].keys() >= RANK_FIELDS


@ALL
async def test_each_worker_is_told_to_flush(fleet):
    """200 where all could, 206 with one reason per worker that could not."""
    async with served(fleet) as (running, front):
        told, document = await ask(front, "/flush_cache", "POST")

    count, failed = len(running), len(running) if fleet in OFFERS_NO_FLUSH else 0
    assert told.status == (206 if failed else 200)
    assert document["status"] == ("partial_success" if failed else "success")
    assert (document["workers_flushed"], document["total_workers"]) == (count - failed, count)
    assert document["total_http_workers"] + document["total_grpc_workers"] == count
    assert len(document["successful"]) == count - failed
    assert [entry["worker"] for entry in document["failed"]] == [engine.url for engine in running][:failed]
    assert all(entry["error"] for entry in document["failed"])


async def test_one_dead_worker_does_not_hide_the_others():
    """Loads and flushes come back for each; info comes from a worker that lives."""
    calm = {"worker_defaults": {"health": {"check_interval_secs": 99}}}
    kinds = (*FLEETS["http-sglang"], *FLEETS["grpc-sglang"], *FLEETS["http-sglang"])
    async with engines(*kinds) as running, gateway([engine.url for engine in running], **calm) as front:
        await running[0].kill()
        _, loads = await ask(front, "/v1/loads")
        flushed, results = await ask(front, "/flush_cache", "POST")
        info, _ = await ask(front, "/get_model_info")

    assert [entry["load"] for entry in loads["workers"]] == [-1, 0, 0]
    assert (flushed.status, results["workers_flushed"], len(results["failed"])) == (206, 2, 1)
    assert info.status == 200


async def test_nobody_to_ask():
    """Without workers: alive, not ready, nothing listed, and 503 where an engine would have to answer."""
    async with Gateway(settings()) as front:
        assert (await exchange(front.port, get("/health"))).status == 200
        assert (await ask(front, "/readiness"))[0].status == 503
        assert (await ask(front, "/v1/models"))[1] == {"object": "list", "data": []}
        assert (await ask(front, "/v1/loads"))[1] == {"workers": []}
        assert (await ask(front, "/flush_cache", "POST"))[1]["total_workers"] == 0
        for path in ("/get_server_info", "/get_model_info", "/health_generate"):
            told, document = await ask(front, path)
            assert (told.status, document["error"]["code"]) == (503, "no_available_workers")
            assert told.values(b"retry-after")
