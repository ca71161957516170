"""X05, X06: who may speak to the listener, and how."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import pytest

from tests.faults import profile
from tests.faults.back.asking import ask, request
from tests.faults.back.certificates import authority, unchecked
from tests.faults.back.facing import facing, good
from tests.faults.back.verdicts import whole
from tests.faults.report import figure

HEALTHY_RATIO = 2.0
"""Of the slowest healthy caller; a shared machine says little in the short form."""


def listening(scene_settings, folder, trust=None) -> dict[str, Any]:
    """Return the settings of a listener with a certificate of its own."""
    trust = trust or authority(folder)
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
        context = unchecked()
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


OFFERS = {
    "X05-null-suite": ("-tls1_2", "-cipher", "NULL:@SECLEVEL=0"),
    "X05-anonymous-suite": ("-tls1_2", "-cipher", "ADH:AECDH:@SECLEVEL=0"),
    "X05-rc4-3des-export": ("-tls1_2", "-cipher", "RC4:3DES:EXPORT:LOW:@SECLEVEL=0"),
    "X05-static-rsa-cbc": ("-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"),
}


async def openssl(port, *options, said=b"") -> bytes:
    """Run the client of the OpenSSL command line against a port; return all it says."""
    pipe = asyncio.subprocess.PIPE
    address = ("-connect", f"127.0.0.1:{port}")
    client = await asyncio.create_subprocess_exec(
        "openssl", "s_client", *address, *options, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await asyncio.wait_for(client.communicate(said), 10)
    return told


@pytest.mark.parametrize("options", OFFERS.values(), ids=OFFERS)
async def test_weak_suites(options, tmp_path):
    """Callers who offer only what protects badly, or forgoes secrecy of the past, are refused in the handshake."""
    async with facing("http", (), workers=1, **listening({}, tmp_path)) as scene:
        told = await openssl(scene.port, *options)
        assert b"Cipher is (NONE)" in told or b"no cipher match" in told


async def test_x05_renegotiation(tmp_path):
    """A caller cannot have the keys made anew again and again: the first try ends it, and others are served."""
    answers = good("http", stream=False)
    async with facing("http", answers, workers=1, **listening({}, tmp_path)) as scene:
        told = await openssl(scene.port, "-tls1_2", said=b"R\n" * 3)
        assert b"RENEGOTIATING" in told
        assert b"no renegotiation" in told
        whole(await ask(scene.port, request("r", stream=False), tls=unchecked()), stream=False)


async def test_x05_stalled_handshakes(tmp_path, record_property):
    """Handshakes that do not go on are closed within 10 s, and callers beside them are served as before."""
    async with facing("http", good("http", stream=False), workers=1, **listening({}, tmp_path)) as scene:
        usual = await p95(scene.port)
        stalled = [await asyncio.open_connection("127.0.0.1", scene.port) for _ in range(profile.count(5000, least=50))]
        begun = time.monotonic()
        ends = [asyncio.get_running_loop().create_task(reader.read()) for reader, _ in stalled]
        beside = await p95(scene.port)
        closed, left = await asyncio.wait(ends, timeout=profile.secs(10) + profile.SLACK_SECS)
        took = time.monotonic() - begun
        await shut(left, [writer for _, writer in stalled])
        figure(record_property, "F16", "stalled handshakes, healthy ratio", beside / usual, HEALTHY_RATIO)
        assert (len(closed), len(left)) == (len(stalled), 0)
        assert took >= profile.secs(10) * 0.5
        assert not profile.ALONE or beside <= HEALTHY_RATIO * max(usual, 0.05)


async def p95(port) -> float:
    """Ask over TLS, each time on a connection of its own; return how long all but the two slowest took at most.

    Those may have met a pause of this process, which is the gateway's and the callers' and holds a whole test run.
    """
    took = []
    for turn in range(40):
        begun = time.monotonic()
        whole(await ask(port, request(f"h{turn}", stream=False), tls=unchecked()), stream=False)
        took.append(time.monotonic() - begun)
    return sorted(took)[-3]


async def shut(tasks, writers) -> None:
    """Leave nothing open."""
    for task in tasks:
        task.cancel()
    for writer in writers:
        writer.close()


CALLERS = [(kind, version) for kind in ("missing", "other-ca", "expired", "revoked") for version in ("1.2", "1.3")]
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
CLAIMS = ("X-Forwarded-Client-Cert: Subject=gateway", "X-SSL-Client-Verify: SUCCESS", "X-Client-Cert: gateway")


def mutual(trust, folder) -> dict[str, Any]:
    """Return the settings of a listener that wants to see certificates of the right authority, not taken back."""
    paths = {"tls_client_ca_path": str(trust.path), "tls_client_crl_path": str(trust.revoked(folder))}
    return listening(paths, folder, trust)


@pytest.mark.parametrize(("kind", "version"), CALLERS, ids=[f"X06-{kind}-tls-{version}" for kind, version in CALLERS])
async def test_bad_certificates_of_callers(kind, version, tmp_path):
    """Whose certificate is not right is refused by an alert, whatever its request claims, and nobody serves it."""
    trust = authority(tmp_path)
    context = trust.caller(kind, tmp_path)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    async with facing("http", good("http", stream=False), workers=1, **mutual(trust, tmp_path)) as scene:
        with pytest.raises(ssl.SSLError, match="ALERT"):
            await told(scene.port, request("r", stream=False, fields=CLAIMS), context)
        assert scene.book.attempts == []


async def told(port, sent, context) -> bytes:
    """Send over TLS and return what comes first; in TLS 1.3 a refusal only comes then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(4096), 5)
    finally:
        writer.close()


@pytest.mark.parametrize("version", [pytest.param(version, id=f"X06-right-tls-{version}") for version in VERSIONS])
async def test_right_certificate_of_a_caller(version, tmp_path):
    """With the right certificate a caller is served; who it is, no worker hears from a field the caller wrote."""
    trust = authority(tmp_path)
    context = trust.caller("right", tmp_path)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    async with facing("http", good("http", stream=False), workers=1, **mutual(trust, tmp_path)) as scene:
        sent = request("r", stream=False, fields=CLAIMS)
        whole(await ask(scene.port, sent, tls=context), stream=False)
        assert not [name for name in scene.book.attempts[0].headers if name.lower().startswith("x-forwarded-")]
