"""Engines as a whole: the same model behind both servers."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import grpc
import pytest
import trustme

from smg.core.words import ConnectionMode, Runtime
from smg.sim import vocabulary
from smg.sim.engine import SimEngine
from smg.sim.settings import EngineSettings
from smg.stubs import sglang_scheduler_pb2 as sglang
from smg.stubs.sglang_scheduler_pb2_grpc import SglangSchedulerStub
from tests.sim.support import MESSAGES, PROMPT_IDS, grpc_engine, http_engine

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "asked",
    [{}, {"max_tokens": 7}, {"stop": ["e"]}, {"n": 2}, {"min_tokens": 90}, {"ignore_eos": True, "max_tokens": 50}],
)
async def test_both_servers_give_the_same_answer(asked: dict[str, Any]) -> None:
    """Text, counts and finish reason of a prompt are the same over HTTP and over gRPC."""
    names = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens"}
    params = sglang.SamplingParams(**{names.get(name, name): value for name, value in asked.items()})
    tokenized = sglang.TokenizedInput(input_ids=PROMPT_IDS)
    request = sglang.GenerateRequest(request_id="r", tokenized=tokenized, sampling_params=params)
    async with (
        http_engine(Runtime.SGLANG) as (_, session),
        grpc_engine(Runtime.SGLANG, SglangSchedulerStub) as (
            _,
            stub,
        ),
    ):
        told = await (await session.post(CHAT, json={"messages": MESSAGES, **asked})).json()
        completes = [message.complete async for message in stub.Generate(request)]

    stop = asked.get("stop", ["\0"])[0]
    texts = [vocabulary.decode(one.output_ids).split(stop)[0] for one in completes]
    assert [choice["message"]["content"] for choice in told["choices"]] == texts
    assert told["usage"]["completion_tokens"] == sum(one.completion_tokens for one in completes)
    assert told["usage"]["prompt_tokens"] == completes[0].prompt_tokens
    assert [choice["finish_reason"] for choice in told["choices"]] == [one.finish_reason for one in completes]


@pytest.mark.parametrize("mode", list(ConnectionMode))
async def test_engine_opens_and_closes(mode) -> None:
    """The URL names where it listens; after the block nobody listens there; killing twice is one kill."""
    async with SimEngine(mode, settings=EngineSettings(speed=0)) as engine:
        _, writer = await asyncio.open_connection("127.0.0.1", engine.port)
        writer.close()
        await engine.kill()

    assert engine.url == f"{mode.value}://127.0.0.1:{engine.port}"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", engine.port)


async def test_runtime_without_a_simulation_is_refused() -> None:
    """Asking for an engine that is not simulated is an error."""
    with pytest.raises(ValueError, match="trtllm"):
        async with SimEngine(ConnectionMode.GRPC, Runtime.TRTLLM):
            pass


async def test_mutual_tls_over_http() -> None:
    """Only a caller with the authority's certificate is served."""
    authority = trustme.CA()
    server, client = (
        ssl.create_default_context(purpose) for purpose in (ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH)
    )
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(server)
    authority.configure_trust(client)
    server.verify_mode = ssl.CERT_REQUIRED
    async with (
        SimEngine(ConnectionMode.HTTP, ssl_context=server) as engine,
        aiohttp.ClientSession(engine.url) as session,
    ):
        assert engine.url.startswith("https://")
        with pytest.raises(aiohttp.ClientError):
            await session.get("/health", ssl=client)
        authority.issue_cert("caller").configure_cert(client)
        async with session.get("/health", ssl=client) as response:
            assert response.status == 200


async def test_mutual_tls_over_grpc() -> None:
    """A gRPC engine serves with the credentials it is given."""
    authority = trustme.CA()
    own, other = authority.issue_cert("127.0.0.1"), authority.issue_cert("caller")
    root = authority.cert_pem.bytes()
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], root, require_client_auth=True)
    caller = grpc.ssl_channel_credentials(root, other.private_key_pem.bytes(), other.cert_chain_pems[0].bytes())
    async with SimEngine(ConnectionMode.GRPC, credentials=credentials) as engine:
        channel = grpc.aio.secure_channel(f"127.0.0.1:{engine.port}", caller)
        health = await SglangSchedulerStub(channel).HealthCheck(sglang.HealthCheckRequest())
        await channel.close()

    assert engine.url.startswith("grpcs://")
    assert health.healthy


async def test_many_idle_streams_leave_nothing_behind() -> None:
    """Four hundred held streams whose callers leave at once end at once, with every place free."""
    settings = EngineSettings(speed=0, max_running=1000, kv_tokens=10_000_000)
    async with http_engine(Runtime.VLLM, settings) as (engine, client):
        engine.faults.set("stall_after:1")
        async with aiohttp.ClientSession(engine.url, connector=aiohttp.TCPConnector(limit=0)) as session:
            body = {"messages": MESSAGES, "stream": True}
            responses = await asyncio.gather(*(session.post(CHAT, json=body) for _ in range(400)))
            assert engine.machine.load(0) == 400
            for response in responses:
                response.close()
            await engine.ledger.until(lambda ledger: ledger.totals.aborted == 400, timeout_secs=2)
        engine.faults.clear()
        assert engine.machine.load(0) == 0
        assert (await client.post(CHAT, json=body)).status == 200
