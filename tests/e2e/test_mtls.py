"""Workers behind mutual TLS, whichever way they were registered."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import grpc
import msgspec
import pytest
import trustme
import yaml
from aiohttp import ClientSession

from smg.config.load import load
from smg.core.words import ConnectionMode, Runtime
from smg.server.lifecycle import Gateway
from smg.sim.engine import SimEngine
from smg.workers.settings import TlsSettings
from tests.e2e import sdk
from tests.e2e.gateways import INSTANT, client, until_ready

SOURCES = ("flag", "file", "api")
MODES = (ConnectionMode.HTTP, ConnectionMode.GRPC)


class Identities:
    """An authority, the engine's certificate, and the gateway's, as files."""

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.engine = self.authority.issue_cert("127.0.0.1", "localhost")
        gateway = self.authority.issue_cert("gateway.test")
        self.tls = {
            "ca_path": str(folder / "ca.pem"),
            "cert_path": str(folder / "gateway.pem"),
            "key_path": str(folder / "gateway.key"),
        }
        self.authority.cert_pem.write_to_path(self.tls["ca_path"])
        gateway.cert_chain_pems[0].write_to_path(self.tls["cert_path"])
        gateway.private_key_pem.write_to_path(self.tls["key_path"])


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    """Certificates for the engine and for the gateway."""
    return Identities(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def strict_engine(mode, identities):
    """Run an engine that refuses callers without a certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    identities.engine.configure_cert(context)
    identities.authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    chain = b"".join(pem.bytes() for pem in identities.engine.cert_chain_pems)
    credentials = grpc.ssl_server_credentials(
        [(identities.engine.private_key_pem.bytes(), chain)],
        root_certificates=identities.authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    async with SimEngine(mode, Runtime.VLLM, INSTANT, ssl_context=context, credentials=credentials) as engine:
        yield engine


def settings_from(source, url, identities, folder):
    """Return the settings of a gateway that learns of the worker by ``source``."""
    tls = {f"worker_defaults.tls.{name}": path for name, path in identities.tls.items()}
    flags = {"server.port": 0, "server.host": "127.0.0.1", "metrics.port": 0, "metrics.host": "127.0.0.1", **tls}
    if source == "flag":
        return load(None, {}, {**flags, "workers": [{"url": url}]})
    if source == "file":
        (folder / "gateway.yaml").write_text(yaml.safe_dump({"workers": [{"url": url}]}), encoding="utf-8")
        return load(str(folder / "gateway.yaml"), {}, flags)
    return load(None, {}, flags)


async def register(gateway, url):
    """Register a worker by the API, with nothing but its URL."""
    target = f"http://127.0.0.1:{gateway.port}/workers"
    async with ClientSession() as session, session.post(target, json={"url": url}) as response:
        assert response.status == 202


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
async def test_every_source_reaches_an_mtls_worker(mode, source, identities, tmp_path):
    """A worker by flag, by file and by API is reached with the gateway's authority and certificate."""
    async with strict_engine(mode, identities) as engine:
        settings = await asyncio.to_thread(settings_from, source, engine.url, identities, tmp_path)
        async with Gateway(settings) as gateway, client(gateway) as openai:
            if source == "api":
                await register(gateway, engine.url)
            await until_ready(gateway, 1)
            await sdk.chat(openai, "sim")
            await sdk.stream(openai, "sim")


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
async def test_a_stranger_is_refused(mode, identities, tmp_path):
    """Without the gateway's certificate the engine does not answer, so the test above can fail."""
    async with strict_engine(mode, identities) as engine:
        settings = await asyncio.to_thread(settings_from, "flag", engine.url, identities, tmp_path)
        defaults = msgspec.structs.replace(settings.worker_defaults, tls=TlsSettings(ca_path=identities.tls["ca_path"]))
        async with Gateway(msgspec.structs.replace(settings, worker_defaults=defaults)) as gateway:
            [worker] = gateway.registry.fleet.workers.values()

            assert not await worker.probe()
