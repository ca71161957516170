"""The border to gRPC: a status becomes one of our errors, by one table."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from smg.core.errors import (
    ContextLengthError,
    Retry,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from smg.workers.upstream_errors import closed_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from smg.core.errors import GatewayError
    from smg.core.words import WorkerId
    from smg.wire.engines.dialect import Dialect

Code = grpc.StatusCode


class UnknownCallError(UpstreamError):
    """The worker's server has no such call; within this package it tells protocols apart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one status means."""

    error: type[UpstreamError]
    message: str
    retry: Retry


_FAILED = Verdict(UpstreamError, "the worker failed", Retry.IF_IDEMPOTENT)
_REFUSED = Verdict(UpstreamError, "the worker refused the request", Retry.NEVER)
_UNABLE = Verdict(UnknownCallError, "the worker does not know this call", Retry.IF_IDEMPOTENT)
_UNREACHED = Verdict(UpstreamConnectError, "the worker cannot be connected to", Retry.SAFE)

VERDICTS: Mapping[grpc.StatusCode, Verdict] = {
    Code.OK: _FAILED,  # an ended call without the message it owed
    Code.CANCELLED: Verdict(UpstreamError, "the worker cancelled the request", Retry.IF_IDEMPOTENT),
    Code.UNKNOWN: _FAILED,
    Code.INVALID_ARGUMENT: _REFUSED,
    Code.DEADLINE_EXCEEDED: Verdict(UpstreamTimeoutError, "the worker did not answer in time", Retry.IF_IDEMPOTENT),
    Code.NOT_FOUND: _REFUSED,
    Code.ALREADY_EXISTS: _REFUSED,
    Code.PERMISSION_DENIED: _REFUSED,
    Code.RESOURCE_EXHAUSTED: Verdict(UpstreamUnavailableError, "the worker takes no more now", Retry.IF_IDEMPOTENT),
    Code.FAILED_PRECONDITION: _FAILED,
    Code.ABORTED: Verdict(UpstreamError, "the worker gave the request up", Retry.IF_IDEMPOTENT),
    Code.OUT_OF_RANGE: _REFUSED,
    Code.UNIMPLEMENTED: _UNABLE,
    Code.INTERNAL: _FAILED,
    # Not SAFE: the code alone does not prove that the worker never saw the request.
    Code.UNAVAILABLE: Verdict(UpstreamConnectError, "the worker cannot be reached", Retry.IF_IDEMPOTENT),
    Code.DATA_LOSS: _FAILED,
    Code.UNAUTHENTICATED: _REFUSED,
}

UNREACHED = "failed to connect to all addresses"
"""How grpc's own details begin where it had no connection to send the call over."""

BLAME_CHARS = 1_000
"""Of an engine's words to a caller."""

BLAMED: Mapping[type[GatewayError], str] = {
    ContextLengthError: "the prompt and the answer asked for exceed the model's context",
}


@contextmanager
def grpc_errors(worker_id: WorkerId, dialect: Dialect | None = None) -> Iterator[None]:
    """Raise one of our errors for any gRPC failure in the block; ``dialect`` tells a caller's faults apart."""
    try:
        with closed_errors(worker_id):
            yield
    except grpc.aio.UsageError as error:
        raise UpstreamConnectError(worker_id, "the worker was removed", retry=Retry.SAFE) from error
    except grpc.aio.AioRpcError as error:
        raise grpc_error(worker_id, error, dialect) from error


def grpc_error(worker_id: WorkerId, error: grpc.aio.AioRpcError, dialect: Dialect | None) -> GatewayError:
    """Judge one failed call."""
    blamed = None if dialect is None else dialect.error(error.code().name, error.details() or "")
    if blamed is not None:
        return blamed(BLAMED.get(blamed) or f"the engine refused the request: {error.details()}"[:BLAME_CHARS])
    verdict = _UNREACHED if (error.details() or "").startswith(UNREACHED) else VERDICTS[error.code()]
    return verdict.error(worker_id, verdict.message, retry=verdict.retry)
