"""One model behind HTTP and gRPC workers at once: one balance, one failover, one verdict on requests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from smg.core.words import ConnectionMode, Runtime
from tests.e2e.gateways import engines, gateway
from tests.e2e.raw import JSON, exchange, post

HTTP_VLLM = (ConnectionMode.HTTP, Runtime.VLLM)
GRPC_VLLM = (ConnectionMode.GRPC, Runtime.VLLM)
HTTP_SGLANG = (ConnectionMode.HTTP, Runtime.SGLANG)
GRPC_SGLANG = (ConnectionMode.GRPC, Runtime.SGLANG)
CHAT = "/v1/chat/completions"
CALM = {"health": {"check_interval_secs": 99}}


def ask(path=CHAT, **fields):
    """Return a small request."""
    body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, **fields}
    return post(path, json.dumps(body).encode(), JSON)


@asynccontextmanager
async def mixed(*kinds, **changes):
    """Run a gateway before one engine per kind; the gateway finds out about nothing but by requests."""
    async with (
        engines(*kinds) as running,
        gateway([engine.url for engine in running], **{"worker_defaults": CALM, **changes}) as front,
    ):
        yield running, front


async def modes(front, count, **fields):
    """Ask so many times and count the modes of the workers that answered."""
    found: Counter[ConnectionMode | None] = Counter()
    workers = front.registry.fleet.workers
    for _ in range(count):
        told = await exchange(front.port, ask(**fields))
        assert told.status == 200, told.body
        found[workers[told.values(b"x-smg-routed-worker-id")[0].decode()].connection_mode] += 1
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_turns_are_taken_over_both_modes(stream):
    """By round robin each mode answers half."""
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (_, front):
        assert await modes(front, 20, stream=stream) == {ConnectionMode.HTTP: 10, ConnectionMode.GRPC: 10}


async def test_both_modes_give_the_same_answer():
    """Text, finish and usage do not tell which worker answered."""
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (_, front):
        told = [json.loads((await exchange(front.port, ask(max_tokens=20))).body) for _ in range(2)]

    one, other = [(answer["choices"][0]["message"]["content"], answer["usage"]["total_tokens"]) for answer in told]
    assert one == other


@pytest.mark.parametrize("dead", [0, 1], ids=["http", "grpc"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_dead_worker_of_one_mode_is_stood_in_for_by_the_other(dead, stream):
    """No caller notices that an engine has gone, whichever mode it spoke."""
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (running, front):
        await running[dead].kill()
        left = ConnectionMode.GRPC if dead == 0 else ConnectionMode.HTTP

        assert await modes(front, 6, stream=stream) == {left: 6}


@pytest.mark.parametrize("sick", [0, 1], ids=["http", "grpc"])
@pytest.mark.parametrize("fault", ["status:503", "reset", "status:500"])
async def test_a_failing_worker_of_one_mode_is_stood_in_for_by_the_other(sick, fault):
    """An engine that answers with an error of its own, or breaks off, is stood in for as well."""
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (running, front):
        running[sick].faults.set(fault)
        left = ConnectionMode.GRPC if sick == 0 else ConnectionMode.HTTP

        assert await modes(front, 6) == {left: 6}
        assert running[sick].ledger.totals.started >= 3


async def test_a_wrong_request_is_wrong_whoever_would_serve_it():
    """The typed check runs before the pick: the same verdict each time, and neither engine sees the request."""
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (running, front):
        told = [await exchange(front.port, ask(temperature="hot")) for _ in range(6)]

    assert {answer.status for answer in told} == {400}
    assert {json.loads(answer.body)["error"]["param"] for answer in told} == {"temperature"}
    assert [engine.ledger.totals.started for engine in running] == [0, 0]


async def test_a_field_one_engine_cannot_serve_goes_to_the_one_that_can():
    """MLX has no least length; the others of the model serve it, every time."""
    async with mixed((ConnectionMode.GRPC, Runtime.MLX), HTTP_VLLM) as (_, front):
        assert await modes(front, 6, min_tokens=2) == {ConnectionMode.HTTP: 6}


async def test_generate_goes_to_engines_that_have_it():
    """An HTTP vLLM has no such path; the gRPC worker of the model answers every time."""
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (running, front):
        for _ in range(6):
            told = await exchange(front.port, post("/generate", b'{"text":"hi","model":"sim"}', JSON))
            assert told.status == 200
            assert json.loads(told.body)["text"]

    assert [engine.ledger.totals.started for engine in running] == [0, 6]


async def test_generate_over_both_modes_of_sglang():
    """Where both have the path, both serve it."""
    async with mixed(HTTP_SGLANG, GRPC_SGLANG) as (running, front):
        told = [await exchange(front.port, post("/generate", b'{"text":"hi"}', JSON)) for _ in range(6)]

    assert {answer.status for answer in told} == {200}
    assert len({json.loads(answer.body)["text"] for answer in told}) == 1
    assert [engine.ledger.totals.started for engine in running] == [3, 3]


async def test_what_no_engine_has_is_said():
    """A path that no engine of the model has is a 400 of its own code."""
    async with mixed(HTTP_VLLM) as (running, front):
        told = await exchange(front.port, post("/generate", b'{"text":"hi"}', JSON))

    assert (told.status, told.values(b"x-smg-error-code")) == (400, [b"unsupported_endpoint"])
    assert running[0].ledger.totals.started == 0


async def test_pooling_endpoints_go_to_the_mode_that_serves_them():
    """Rerank and classify are HTTP's alone; a mixed fleet serves them all the same."""
    body = b'{"model":"sim","query":"a","documents":["b","c"]}'
    async with mixed(HTTP_VLLM, GRPC_VLLM) as (_, front):
        for path in ("/v1/rerank", "/rerank"):
            for _ in range(3):
                assert (await exchange(front.port, post(path, body, JSON))).status == 200


async def test_the_load_of_both_modes_is_weighed_together():
    """By least load a busy HTTP worker leaves the requests to the idle gRPC worker."""
    async with mixed(HTTP_VLLM, GRPC_VLLM, policy="least_load") as (running, front):
        running[0].faults.set("stall")
        async with asyncio.TaskGroup() as callers:
            stuck = callers.create_task(exchange(front.port, ask()))
            await running[0].ledger.until(lambda ledger: ledger.totals.open == 1)
            found = await modes(front, 5)
            stuck.cancel()

    assert found == {ConnectionMode.GRPC: 5}
