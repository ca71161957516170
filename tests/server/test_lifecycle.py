from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import time
from typing import Any

import aiohttp
import pytest
import trustme

from smg.core.errors import ConfigError
from smg.server.lifecycle import Gateway
from smg.server.schema import Settings
from smg.server.settings import MetricsSettings, ServerSettings
from smg.sim.settings import EngineSettings
from smg.workers.spec import WorkerSpec
from tests.server.gateways import GRPC, HTTP, gateway

STREAM = {"model": "sim", "messages": [{"role": "user", "content": "hello"}], "stream": True}
SLOW = EngineSettings(model="sim", speed=0.2)


def _settings(**server: Any) -> Any:
    return Settings(
        server=ServerSettings(host="127.0.0.1", port=0, **server), metrics=MetricsSettings(host="127.0.0.1", port=0)
    )


async def _stream(asked: Any, max_tokens: Any) -> Any:
    body = {**STREAM, "max_tokens": max_tokens, "ignore_eos": True}
    async with asked.session.post(asked.url + "/v1/chat/completions", json=body) as answer:
        return (await answer.text()).strip().split("\n\n")


async def _begun(asked: Any, count: Any = 1) -> Any:
    async with asyncio.timeout(5):
        while sum(worker.in_flight for worker in asked.gateway.registry.fleet.workers.values()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", [HTTP, GRPC])
async def test_stream_that_ends_within_the_grace_ends_whole(kind: Any) -> None:
    """While draining, readiness is 503, a running stream goes on, and new connections end up refused."""
    async with gateway(kind, engine=SLOW, shutdown_grace_period_secs=10) as asked, asyncio.TaskGroup() as group:
        stream = group.create_task(_stream(asked, 20))
        await _begun(asked)
        drain = group.create_task(asked.gateway.drain())
        await asyncio.sleep(0)
        status, fields, told = await asked.ask("GET", "/readiness")
        assert (status, told["reason"], fields["connection"]) == (503, "draining", "close")
        await drain
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", asked.gateway.port)

    assert stream.result()[-1] == "data: [DONE]"


@pytest.mark.parametrize("kind", [HTTP, GRPC])
async def test_stream_longer_than_the_grace_gets_one_error_event(kind: Any) -> None:
    """At the end of the grace a stream is told why, ends properly, and leaves nothing at the engine."""
    async with gateway(kind, engine=SLOW, shutdown_grace_period_secs=0.3) as asked, asyncio.TaskGroup() as group:
        stream = group.create_task(_stream(asked, 5000))
        await _begun(asked)
        begun = time.monotonic()
        await asked.gateway.drain()
        assert time.monotonic() - begun < 2
        await asked.engines[0].ledger.until(lambda ledger: ledger.totals.open == 0)

    *_, last = stream.result()
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "shutting_down"


async def test_signal_drains_and_a_second_one_hurries() -> None:
    """SIGTERM begins the drain; while it waits for a stream, another SIGTERM ends it."""
    async with gateway(HTTP, engine=SLOW, shutdown_grace_period_secs=100) as asked:
        served = asked.gateway.run_until_signal()
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            run = group.create_task(served)
            stream = group.create_task(_gives_up(asked))
            await _begun(asked)
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(5):
                while not asked.gateway.draining:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            await run
            await asked.gateway.__aexit__(None, None, None)
            await stream


async def _gives_up(asked: Any) -> Any:
    with pytest.raises(aiohttp.ClientError):
        await _stream(asked, 5000)


async def test_metrics_are_on_their_own_port() -> None:
    """The page shows what happened on the other listener, which does not serve it."""
    async with gateway(HTTP) as asked:
        await asked.ask("GET", "/v1/models")
        async with asked.session.get(f"http://127.0.0.1:{asked.gateway.metrics_port}/metrics") as answer:
            page = await answer.text()
        status, _, _ = await asked.ask("GET", "/metrics")

    assert 'smg_http_requests_total{method="GET",path="/v1/models"} 1.0' in page
    assert f'smg_worker_health{{worker="{asked.engines[0].url}"}} 1.0' in page
    assert status == 404


async def test_start_does_not_wait_for_workers() -> None:
    """A worker that does not answer delays nothing."""
    settings = Settings(
        server=ServerSettings(host="127.0.0.1", port=0),
        metrics=MetricsSettings(host="127.0.0.1", port=0),
        workers=(WorkerSpec(url="http://192.0.2.1:1"), WorkerSpec(url="grpc://192.0.2.1:2")),
    )
    begun = time.monotonic()

    async with Gateway(settings) as served:
        assert len(served.registry.fleet.workers) == 2
        assert time.monotonic() - begun < 2


async def test_unusable_worker_entry_is_named() -> None:
    """A URL that occurs twice is a setting that cannot be used; nothing stays open."""
    twice = (WorkerSpec(url="http://127.0.0.1:9"), WorkerSpec(url="http://127.0.0.1:9"))

    with pytest.raises(ConfigError, match=r"workers\[1\]"):
        async with Gateway(Settings(server=_settings().server, metrics=_settings().metrics, workers=twice)):
            pass


async def test_listener_speaks_tls_with_its_certificate(tmp_path: Any) -> None:
    """With a certificate set, callers who trust its authority are served over TLS."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    files = {"tls_cert_path": str(tmp_path / "cert.pem"), "tls_key_path": str(tmp_path / "key.pem")}
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    async with Gateway(_settings(**files)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trust)
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"OK")
        writer.close()


async def test_unreadable_certificate_is_a_setting_that_cannot_be_used(tmp_path: Any) -> None:
    """The message names the settings, and nothing listens."""
    files = {"tls_cert_path": str(tmp_path / "none.pem"), "tls_key_path": str(tmp_path / "none.key")}

    with pytest.raises(ConfigError, match="tls_cert_path"):
        async with Gateway(_settings(**files)):
            pass
