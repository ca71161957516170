from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from smg.core.errors import ConfigError
from smg.server.settings import ServerSettings
from smg.server.tls import server_tls
from tests.faults.back.certificates import authority, unchecked


def _server(folder: Any, **more: Any) -> ServerSettings:
    """Return settings with a good pair, and more."""
    path = str(folder / "both.pem")
    trustme.CA().issue_cert("a.example").private_key_and_cert_chain_pem.write_to_path(path)
    return ServerSettings(tls_cert_path=path, tls_key_path=path, **more)


def test_no_certificate_means_plain_text() -> None:
    """Without a certificate nothing is encrypted."""
    assert server_tls(ServerSettings()) is None


def test_old_tls_is_not_spoken(tmp_path: Any) -> None:
    """The oldest version served is 1.2, its keys are not made anew, and callers need no certificate."""
    context = server_tls(_server(tmp_path))

    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode is ssl.CERT_NONE


def test_key_of_another_certificate_is_refused(tmp_path: Any) -> None:
    """The two files must be a pair."""
    vouching = trustme.CA()
    vouching.issue_cert("a").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    vouching.issue_cert("b").private_key_pem.write_to_path(tmp_path / "key.pem")
    mixed = ServerSettings(tls_cert_path=str(tmp_path / "cert.pem"), tls_key_path=str(tmp_path / "key.pem"))

    with pytest.raises(ConfigError, match="PEM pair"):
        server_tls(mixed)


def test_callers_are_asked_where_an_authority_vouches_for_them(tmp_path: Any) -> None:
    """An authority makes a certificate necessary, and a revocation list is looked at."""
    trust = authority(tmp_path)
    lists = str(trust.revoked(tmp_path))
    context = server_tls(_server(tmp_path, tls_client_ca_path=str(trust.path), tls_client_crl_path=lists))

    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    assert context.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}


@pytest.mark.parametrize("content", [b"", b"no pem", None])
def test_file_without_an_authority_is_refused(tmp_path: Any, content: Any) -> None:
    """A file that cannot be read, or that nobody vouches in, is named as unusable."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)

    with pytest.raises(ConfigError, match="tls_client_ca_path"):
        server_tls(_server(tmp_path, tls_client_ca_path=str(tmp_path / "ca.pem")))


@pytest.mark.parametrize("kind", ["missing", "an authority", "both"])
def test_list_of_anything_but_revocations_is_refused(tmp_path: Any, kind: Any) -> None:
    """An authority given where revocations belong is refused: it would be trusted to vouch for callers."""
    trust = authority(tmp_path)
    wrong, lists = trust.wrong.cert_pem.bytes(), trust.revoked(tmp_path)
    content = {"missing": b"", "an authority": wrong, "both": lists.read_bytes() + wrong}[kind]
    lists.write_bytes(content)

    with pytest.raises(ConfigError, match="tls_client_crl_path"):
        server_tls(_server(tmp_path, tls_client_ca_path=str(trust.path), tls_client_crl_path=str(lists)))


def _failed_handshake(server: ssl.SSLContext, *hellos: bytes) -> tuple[list[type[ssl.SSLError]], bytes]:
    """Hand the server's side of a handshake these bytes, one after the other; return what it raises, and answers."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = server.wrap_bio(incoming, outgoing, server_side=True)
    raised = []
    for hello in hellos:
        incoming.write(hello)
        with pytest.raises(ssl.SSLError) as failure:
            side.do_handshake()
        raised.append(failure.type)
    return raised, outgoing.read()


def _hello(version: ssl.TLSVersion) -> bytes:
    outgoing = ssl.MemoryBIO()
    client = unchecked()
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_failed_handshake_is_told_before_it_ends(tmp_path: Any) -> None:
    """Where there is an alert, more is asked for so that it goes out; whatever comes then ends it."""
    context = server_tls(_server(tmp_path))
    assert context is not None

    raised, answer = _failed_handshake(context, _hello(ssl.TLSVersion.TLSv1_1), b"more")
    assert raised == [ssl.SSLWantReadError, ssl.SSLError]
    assert answer[:1] == b"\x15"


def test_what_is_no_handshake_ends_at_once(tmp_path: Any) -> None:
    """Nobody waits for the rest of plain HTTP."""
    context = server_tls(_server(tmp_path))
    assert context is not None

    assert _failed_handshake(context, b"GET / HTTP/1.1\r\n\r\n") == ([ssl.SSLError], b"")
