"""X01-X08: whom the gateway believes, and who believes it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import msgspec
import pytest

from smg.server.lifecycle import Gateway
from smg.server.schema import Settings
from tests.faults import profile
from tests.faults.back.asking import ask, request
from tests.faults.back.book import Book, until
from tests.faults.back.certificates import authority
from tests.faults.back.facing import SPARSE, facing, good, ready
from tests.faults.back.grpc_backend import GrpcBackend
from tests.faults.back.http_backend import HttpBackend
from tests.faults.back.http_words import plain
from tests.faults.back.steps import Play, Send
from tests.faults.back.verdicts import refused, whole

BAD = ("expired", "not-yet-valid", "self-signed", "other-ca", "wrong-name", "no-san")
MODES = ("http", "grpc")
CELLS = [(kind, mode, stream) for kind in BAD for mode in MODES for stream in (False, True)]
CLIENTS = [(kind, mode) for kind in ("missing", "other-ca", "expired") for mode in MODES]


async def change(backend, context: ssl.SSLContext) -> None:
    """Have a worker serve with another certificate from the next connection on."""
    backend.tls = context
    if isinstance(backend, HttpBackend):
        await backend._unlisten()
        backend.cut()
        await backend._listen()
    else:
        await backend.refuse()
        await backend.listen()


@pytest.mark.parametrize(
    ("kind", "mode", "stream"), CELLS, ids=[f"X01-{k}-{m}-{'stream' if s else 'plain'}" for k, m, s in CELLS]
)
async def test_bad_certificates(kind, mode, stream, tmp_path):
    """A worker whose certificate is not right is told as such, and never sent a request."""
    trust = authority(tmp_path)
    tls = {"worker_defaults": {"tls": {"ca_path": str(trust.path)}}}
    async with facing(mode, good(mode, stream=stream), workers=1, setup={"tls": trust.server("right")}, **tls) as scene:
        whole(await scene.ask("right", stream=stream), stream=stream)
        await change(scene.backends[0], trust.server(kind))
        answer = await scene.ask("wrong", stream=stream)
        refused(answer, 502)
        assert answer.json["error"]["code"] == "upstream_tls"
        assert [attempt.request_id for attempt in scene.book.attempts] == ["right"]


@pytest.mark.parametrize(("kind", "mode"), CLIENTS, ids=[f"X02-{kind}-{mode}" for kind, mode in CLIENTS])
async def test_bad_client_certificates(kind, mode, tmp_path):
    """A worker that asks for a certificate refuses the gateway's if it is not right; nobody is served by it."""
    trust = authority(tmp_path)
    tls = {"worker_defaults": {"tls": trust.client(kind, tmp_path)}}
    async with facing(mode, good(mode, stream=False), workers=1, setup={"tls": trust.server("right")}, **tls) as scene:
        await change(scene.backends[0], trust.mutual())
        refused(await scene.ask("wrong", stream=False), 502)
        assert scene.book.attempts == []


@pytest.mark.parametrize("mode", MODES)
async def test_x02_right_client_certificate(mode, tmp_path):
    """With the right certificate a worker that asks for one serves."""
    trust = authority(tmp_path)
    tls = {"worker_defaults": {"tls": trust.client("right", tmp_path)}}
    async with facing(mode, good(mode, stream=False), workers=1, setup={"tls": trust.mutual()}, **tls) as scene:
        whole(await scene.ask(stream=False), stream=False)


@pytest.mark.parametrize("mode", MODES)
async def test_x03_registered_through_the_api(mode, tmp_path):
    """A worker added while running is reached by the same authority and certificate as one of the file."""
    trust = authority(tmp_path)
    tls = {"worker_defaults": {"tls": trust.client("right", tmp_path)}}
    kind = GrpcBackend if mode == "grpc" else HttpBackend
    async with (
        facing(mode, good(mode, stream=False), workers=1, setup={"tls": trust.mutual()}, **tls) as scene,
        kind("late", scene.book, scene.play, tls=trust.mutual()) as late,
        aiohttp.ClientSession() as session,
    ):
        body = {"url": late.url, "runtime_type": "sglang"}
        async with session.post(f"http://127.0.0.1:{scene.port}/workers", json=body) as told:
            assert told.status in {200, 201, 202}
        await ready(scene.gateway, 2)
        for number in range(2):
            whole(await scene.ask(f"r{number}", stream=False), stream=False)
        assert len(late.attempts) == 1


async def test_x04_two_names_of_one_address(tmp_path):
    """Two workers at one address under two names share no connection, and one's authority does not help the other."""
    trust, book = authority(tmp_path), Book()
    async with HttpBackend("b", book, Play((good("http", stream=False),)), tls=trust.server("right")) as backend:
        right = {"ca_path": str(trust.path)}
        specs = [
            {"url": backend.url, "tls": right},
            {"url": f"https://127.0.0.1:{backend.port}", "tls": {**right, "server_name": "elsewhere.example"}},
        ]
        tree = profile.settings(**SPARSE, workers=[{**spec, "runtime_type": "sglang"} for spec in specs])
        async with Gateway(msgspec.convert(tree, Settings)) as gateway:
            await ready(gateway, 1)
            for number in range(4):
                whole(await ask(gateway.port, request(f"r{number}", stream=False)), stream=False)
            states = [worker.life.state.value for worker in gateway.registry.fleet.workers.values()]
            assert sorted(states) == ["pending", "ready"]
            assert len({attempt.connection for attempt in book.attempts}) == 1


def listening(scene_settings, folder) -> dict[str, Any]:
    """Return the settings of a listener with a certificate of its own."""
    trust = authority(folder)
    leaf = trust.right.issue_cert("localhost")
    (folder / "server.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    (folder / "server.key").write_bytes(leaf.private_key_pem.bytes())
    paths = {"tls_cert_path": str(folder / "server.pem"), "tls_key_path": str(folder / "server.key")}
    return {"server": {**paths, **scene_settings}}


HELLOS = {
    "X05-tls-1.0": ssl.TLSVersion.TLSv1,
    "X05-tls-1.1": ssl.TLSVersion.TLSv1_1,
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", HELLOS.values(), ids=HELLOS)
async def test_old_versions(version, tmp_path):
    """Callers who speak an old TLS are refused in the handshake."""
    async with facing("http", (), workers=1, **listening({}, tmp_path)) as scene:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection("127.0.0.1", scene.port, ssl=context)


async def test_x05_other_hello(tmp_path):
    """An SSLv2 hello and plain HTTP on the TLS port end the connection without an answer to it."""
    async with facing("http", (), workers=1, **listening({}, tmp_path)) as scene:
        for hello in (b"\x80\x2e\x01\x00\x02" + bytes(43), request("r", stream=False)):
            reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
            writer.write(hello)
            told = await asyncio.wait_for(reader.read(4096), 5)
            assert b"HTTP/1." not in told
            writer.close()


async def test_x05_stalled_handshakes(tmp_path):
    """Handshakes that do not go on are closed within 10 s, and callers beside them are served."""
    async with facing("http", good("http", stream=False), workers=1, **listening({}, tmp_path)) as scene:
        stalled = [await asyncio.open_connection("127.0.0.1", scene.port) for _ in range(profile.count(5000, least=50))]
        ends = [asyncio.get_running_loop().create_task(reader.read()) for reader, _ in stalled]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", scene.port, ssl=context)
        writer.close()
        _, left = await asyncio.wait(ends, timeout=profile.secs(10) + profile.SLACK_SECS)
        for task in left:
            task.cancel()
        for _, stalled_writer in stalled:
            stalled_writer.close()
        assert not left


async def test_x08_redirect_to_plain(tmp_path):
    """A worker that redirects to plain HTTP is not followed, and its key goes nowhere."""
    trust = authority(tmp_path)
    tls = {"worker_defaults": {"tls": {"ca_path": str(trust.path)}, "api_key": "sk-canary"}}
    seen: list[bytes] = []

    async def plain_listener(reader, writer):
        seen.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(plain_listener, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redirect = (Send(plain(b"", f"Location: http://127.0.0.1:{port}/v1/chat/completions", status=307)),)
    async with facing("http", redirect, workers=1, setup={"tls": trust.server("right")}, **tls) as scene:
        answer = await scene.ask(stream=False)
        refused(answer, 502)
        await until(lambda: len(scene.book.attempts) == 1)
    server.close()
    await server.wait_closed()
    assert seen == []
