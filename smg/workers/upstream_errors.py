"""The border where foreign exceptions become ours; nothing above sees aiohttp's or grpc's errors.

Messages name neither address nor body: they may reach callers.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp

from smg.core.errors import Retry, UpstreamConnectError, UpstreamError, UpstreamTimeoutError, UpstreamTlsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.core.words import WorkerId

FOREIGN = (aiohttp.ClientError, OSError, TimeoutError, RuntimeError)
"""What aiohttp raises where an exchange fails."""


@contextmanager
def http_errors(worker_id: WorkerId) -> Iterator[None]:
    """Raise an ``UpstreamError`` for any failure of an HTTP exchange in the block, which calls aiohttp only."""
    try:
        yield
    except FOREIGN as error:
        raise http_error(worker_id, error) from error


def http_error(worker_id: WorkerId, error: BaseException) -> UpstreamError:  # noqa: PLR0911
    """Judge one failure of an HTTP exchange.

    Order matters: aiohttp's connection errors are OSErrors too, its TLS errors are connection errors.
    """
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return UpstreamTlsError(worker_id, "no secure connection to the worker could be made", retry=Retry.SAFE)
        case aiohttp.ConnectionTimeoutError():
            return UpstreamTimeoutError(worker_id, "the worker took too long to connect to", retry=Retry.SAFE)
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return UpstreamConnectError(worker_id, "the worker cannot be connected to", retry=Retry.SAFE)
        case TimeoutError():
            return UpstreamTimeoutError(worker_id, "the worker did not answer in time", retry=Retry.IF_IDEMPOTENT)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return UpstreamError(worker_id, "the worker closed the connection", retry=Retry.IF_IDEMPOTENT)
        case RuntimeError():  # aiohttp's word for a session or connection that was closed under a call
            return UpstreamError(worker_id, "the worker was removed", retry=Retry.IF_IDEMPOTENT)
        case aiohttp.ClientPayloadError():
            return UpstreamError(worker_id, "the worker broke off its answer", retry=Retry.IF_IDEMPOTENT)
        case _:
            return UpstreamError(worker_id, "the worker did not answer in HTTP", retry=Retry.IF_IDEMPOTENT)


@contextmanager
def closed_errors(worker_id: WorkerId) -> Iterator[None]:
    """Raise an ``UpstreamError`` where a call was cancelled by closing its transport, not by its caller.

    Closing a grpc channel shows in its running calls as a cancellation nobody asked the task for;
    left alone it would end the request without an answer.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise UpstreamError(worker_id, "the worker was removed", retry=Retry.IF_IDEMPOTENT) from error
