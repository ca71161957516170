from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from smg.core.errors import ConfigError
from smg.server.tls import server_tls


def test_no_certificate_means_plain_text() -> None:
    """Without a certificate nothing is encrypted."""
    assert server_tls(None, None) is None


def test_old_tls_is_not_spoken(tmp_path: Any) -> None:
    """The oldest version served is 1.2."""
    issued = trustme.CA().issue_cert("a.example")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")

    context = server_tls(str(tmp_path / "both.pem"), str(tmp_path / "both.pem"))

    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_key_of_another_certificate_is_refused(tmp_path: Any) -> None:
    """The two files must be a pair."""
    authority = trustme.CA()
    authority.issue_cert("a").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.issue_cert("b").private_key_pem.write_to_path(tmp_path / "key.pem")

    with pytest.raises(ConfigError, match="PEM pair"):
        server_tls(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
