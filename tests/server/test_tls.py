from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from smg.core.errors import ConfigError
from smg.server.settings import ServerSettings
from smg.server.tls import server_tls
from tests.faults.back.certificates import authority


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
