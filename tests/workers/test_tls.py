"""Secure workers: our authorities, our identity, their name; in both modes."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from smg.core.errors import Retry, UpstreamError, UpstreamTlsError
from smg.workers.settings import TlsSettings
from tests.workers.engines import grpc_engine
from tests.workers.support import build, http_worker, with_defaults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Identity:
    """An authority, a server certificate for ``engine.test`` and a client certificate, in files."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.server = self.ca.issue_cert("engine.test")
        client = self.ca.issue_cert("gateway.test")
        self.ca_path, self.cert_path, self.key_path = (str(folder / name) for name in ("ca", "cert", "key"))
        self.ca.cert_pem.write_to_path(self.ca_path)
        client.private_key_pem.write_to_path(self.key_path)
        client.cert_chain_pems[0].write_to_path(self.cert_path)

    @property
    def whole(self) -> TlsSettings:
        """All that an mTLS worker asks for."""
        return TlsSettings(
            ca_path=self.ca_path, cert_path=self.cert_path, key_path=self.key_path, server_name="engine.test"
        )


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(tmp_path)


@asynccontextmanager
async def secure_engine(mode: str, identity: Identity) -> AsyncIterator[str]:
    """Serve an engine that wants a client certificate."""
    if mode == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        identity.server.configure_cert(context)
        identity.ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        app = web.Application()
        app.router.add_get("/health", _well)
        server = TestServer(app)
        await server.start_server(ssl=context)
        yield f"https://127.0.0.1:{server.port}"
        await server.close()
        return
    pair = (identity.server.private_key_pem.bytes(), identity.server.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], identity.ca.cert_pem.bytes(), require_client_auth=True)
    async with grpc_engine(credentials=credentials) as (_, url):
        yield url


async def _well(request: web.Request) -> web.Response:  # noqa: ARG001
    return web.Response()


modes = pytest.mark.parametrize("mode", ["https", "grpcs"])


@modes
async def test_the_gateways_identity_reaches_an_mtls_worker(mode: str, identity: Identity) -> None:
    """Authority, client certificate and server name come from the defaults."""
    async with secure_engine(mode, identity) as url:
        worker = build(url, defaults=with_defaults(tls=identity.whole), runtime="mlx")
        await worker.start()
        assert await worker.probe(), worker.probe_error
        await worker.aclose()


@modes
@pytest.mark.parametrize("missing", [{"ca_path": None}, {"cert_path": None, "key_path": None}, {"server_name": None}])
async def test_each_part_of_it_is_needed(mode: str, identity: Identity, missing: dict[str, None]) -> None:
    """Without authority, identity or name there is no connection; an override takes one away."""
    async with secure_engine(mode, identity) as url:
        worker = build(url, defaults=with_defaults(tls=identity.whole), runtime="mlx", tls=missing)
        await worker.start()
        assert not await worker.probe()
        await worker.aclose()


async def test_an_untrusted_certificate_is_a_tls_error(identity: Identity) -> None:
    """No byte of the request was sent."""
    async with secure_engine("https", identity) as url:
        worker = http_worker(url)
        await worker.start()
        with pytest.raises(UpstreamTlsError) as caught:
            await worker.check_health()
        await worker.aclose()

    assert caught.value.retry is Retry.SAFE


async def test_plain_http_to_a_tls_port_is_an_upstream_error(identity: Identity) -> None:
    """The wrong scheme fails as a failure of the worker."""
    async with secure_engine("https", identity) as url:
        worker = http_worker(url.replace("https", "http"))
        await worker.start()
        with pytest.raises(UpstreamError):
            await worker.check_health()
        await worker.aclose()


@modes
async def test_a_broken_key_file_is_found_at_start(mode: str, identity: Identity) -> None:
    """Not at the first request."""
    tls = {"cert_path": identity.cert_path, "key_path": identity.ca_path}
    worker = build(f"{mode}://localhost:1", tls=tls)
    with pytest.raises(OSError, match=r".*"):
        await worker.start()
    await worker.aclose()
