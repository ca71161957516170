"""What aiohttp raises becomes one of our errors, and says whether another worker may be asked."""

from __future__ import annotations

import asyncio
import ssl
from unittest.mock import Mock

import aiohttp
import pytest

from smg.core.errors import Retry
from smg.core.words import WorkerId
from smg.workers.upstream_errors import closed_errors, http_error, http_errors

KEY = Mock(host="10.0.0.1", port=1, ssl=True)


@pytest.mark.parametrize(
    ("error", "code", "status", "retry"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "upstream_connect_failed", 502, Retry.SAFE),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError()), "upstream_tls", 502, Retry.SAFE),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "tls")), "upstream_tls", 502, Retry.SAFE),
        (aiohttp.ConnectionTimeoutError("10.0.0.1"), "upstream_timeout", 504, Retry.SAFE),
        (aiohttp.SocketTimeoutError(), "upstream_timeout", 504, Retry.IF_IDEMPOTENT),
        (TimeoutError(), "upstream_timeout", 504, Retry.IF_IDEMPOTENT),
        (aiohttp.ServerDisconnectedError(), "upstream_failed", 502, Retry.IF_IDEMPOTENT),
        (aiohttp.ClientOSError(104, "reset"), "upstream_failed", 502, Retry.IF_IDEMPOTENT),
        (ConnectionResetError(), "upstream_failed", 502, Retry.IF_IDEMPOTENT),
        (aiohttp.ClientPayloadError("10.0.0.1"), "upstream_failed", 502, Retry.IF_IDEMPOTENT),
        (RuntimeError("Session is closed"), "upstream_failed", 502, Retry.IF_IDEMPOTENT),
    ],
)
def test_each_failure_has_one_meaning(error: Exception, code: str, status: int, retry: Retry) -> None:
    """Code, status and retry follow from the kind of failure; the address is never told."""
    ours = http_error(WorkerId("w"), error)

    assert (ours.code, ours.status, ours.retry) == (code, status, retry)
    assert "10.0.0.1" not in ours.message


def test_our_errors_keep_their_cause() -> None:
    """Whoever debugs sees what happened below."""
    cause = aiohttp.ServerDisconnectedError()
    with pytest.raises(Exception, match="closed") as caught, http_errors(WorkerId("w")):
        raise cause

    assert caught.value.__cause__ is cause


async def test_a_callers_cancellation_passes() -> None:
    """Only a cancellation nobody asked the task for is a failure of the worker."""

    async def wait() -> None:
        with closed_errors(WorkerId("w")):
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
