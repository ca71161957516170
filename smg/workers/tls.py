"""What TLS settings become: an ``ssl`` context for HTTP workers, channel credentials for gRPC workers.

Both read files and block: call them off the event loop.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from smg.workers.settings import TlsSettings


def ssl_context(tls: TlsSettings) -> ssl.SSLContext:
    """Return a context that checks the worker's certificate and name.

    Raises:
        OSError: A file cannot be read, or holds no certificate or key (``ssl.SSLError``).
    """
    context = ssl.create_default_context(cafile=tls.ca_path)
    context.hostname_checks_common_name = False  # a name stands in the alternative names, or nowhere
    if tls.cert_path is not None:
        context.load_cert_chain(tls.cert_path, tls.key_path)
    return context


def channel_credentials(tls: TlsSettings) -> grpc.ChannelCredentials:
    """Return credentials that check the worker's certificate; without a CA those of grpc's own store.

    Raises:
        OSError: A file cannot be read, or holds no certificate or key (``ssl.SSLError``).
    """
    ssl_context(tls)  # grpc says nothing about a broken file until the first call
    return grpc.ssl_channel_credentials(_read(tls.ca_path), _read(tls.key_path), _read(tls.cert_path))


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
