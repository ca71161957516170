"""The listener's own certificate."""

from __future__ import annotations

import ssl

from smg.core.errors import ConfigError


def server_tls(cert_path: str | None, key_path: str | None) -> ssl.SSLContext | None:
    """Return what the listener encrypts with; None where no certificate is set. Blocks on the files.

    Raises:
        ConfigError: The files cannot be read, or are no pair.
    """
    if cert_path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_path, key_path)
    except OSError as error:  # SSLError, too
        raise ConfigError("server.tls_cert_path and server.tls_key_path must be a readable PEM pair") from error
    return context
