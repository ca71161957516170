"""The border to gRPC: a failed call becomes one of our errors; nothing above sees grpc's."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from smg.core.errors import ContextLengthError, Retry, UpstreamConnectError
from smg.workers.grpc_verdicts import verdict
from smg.workers.upstream_errors import closed_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from smg.core.errors import DownstreamError, GatewayError
    from smg.core.words import WorkerId
    from smg.wire.engines.dialect import Dialect

BLAME_CHARS = 1_000
"""Of an engine's words to a caller."""

BLAMED: Mapping[type[DownstreamError], str] = {
    ContextLengthError: "the prompt and the answer asked for exceed the model's context",
}

GRPC_FAILURES = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError)
"""All that a call of grpc may raise, and that ``grpc_errors`` judges."""


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
        refusal = blamed(BLAMED.get(blamed) or f"the engine refused the request: {error.details()}"[:BLAME_CHARS])
        refusal.by_worker = True
        return refusal
    meant = verdict(error.code(), error.details() or "")
    return meant.error(worker_id, meant.message, retry=meant.retry)


def status_of(error: BaseException | None) -> grpc.StatusCode | None:
    """Return the status of the call that ended with one of our errors, or well; None where nobody answered or left."""
    if error is None:
        return grpc.StatusCode.OK
    cause = error.__cause__
    return cause.code() if isinstance(cause, grpc.aio.AioRpcError) else None
