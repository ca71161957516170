"""The listener's own certificate, and whose certificates callers must show."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from smg.core.errors import ConfigError

if TYPE_CHECKING:
    from smg.server.settings import ServerSettings

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.2; those of 1.3 are all as good."""


class Handshaking(ssl.SSLObject):
    """Lets the alert go out that a failed handshake leaves behind; event loops would drop it with the connection.

    The failure is held back for as long as an alert is still here, as if more of the caller were wanted: so the loop
    sends it. The caller then closes; where it does not, its next bytes or the handshake's deadline end the connection.
    """

    outgoing: ssl.MemoryBIO
    _failure: ssl.SSLError | None = None

    @override
    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if not self.outgoing.pending:
                raise
            self._failure = error
            raise ssl.SSLWantReadError("an alert is to be sent") from error


class ListenerContext(ssl.SSLContext):
    """Makes handshakes whose failure the caller is told."""

    sslobject_class = Handshaking

    @override
    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        cast("Handshaking", made).outgoing = outgoing
        return made


def server_tls(server: ServerSettings) -> ssl.SSLContext | None:
    """Return what the listener encrypts with; None where no certificate is set. Blocks on the files.

    Raises:
        ConfigError: A file cannot be read, or is not what its setting wants.
    """
    if server.tls_cert_path is None:
        return None
    context = ListenerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(SUITES)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(server.tls_cert_path, server.tls_key_path)
    except OSError as error:  # SSLError, too
        raise ConfigError("server.tls_cert_path and server.tls_key_path must be a readable PEM pair") from error
    if server.tls_client_ca_path is not None:
        _ask_callers(context, server.tls_client_ca_path, server.tls_client_crl_path)
    return context


def _ask_callers(context: ssl.SSLContext, ca_path: str, crl_path: str | None) -> None:
    """Refuse, in the handshake, callers without a certificate of these authorities, or with a revoked one."""
    context.verify_mode = ssl.CERT_REQUIRED
    if not _loaded(context, ca_path)["x509_ca"]:
        raise ConfigError("server.tls_client_ca_path must be a readable PEM file of authorities")
    if crl_path is None:
        return
    trusted = context.cert_store_stats()["x509"]
    stored = _loaded(context, crl_path)
    if not stored["crl"] or stored["x509"] != trusted:  # a certificate in this file would be trusted, too
        raise ConfigError("server.tls_client_crl_path must be a readable PEM file of revocation lists alone")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _loaded(context: ssl.SSLContext, path: str) -> dict[str, int]:
    """Load a file and return how much of each kind the context holds; what cannot be read adds nothing."""
    with suppress(OSError):  # SSLError, too
        context.load_verify_locations(path)
    return context.cert_store_stats()
