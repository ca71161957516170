"""Single calls over one channel: bytes out, one message (or all of a short stream) back, always with a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import DecodeError, Message

from smg.core.errors import Retry, UpstreamError
from smg.workers.grpc_errors import grpc_errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import grpc.aio

    from smg.core.words import WorkerId
    from smg.wire.engines.dialect import Dialect, Method

T = TypeVar("T")


def decode(worker_id: WorkerId, method: Method, raw: bytes) -> Any:
    """Return the message in ``raw``; left to grpc, one that cannot be read would come out as None.

    Raises:
        UpstreamError: It cannot be read.
    """
    try:
        return method.response.FromString(raw)
    except DecodeError as error:
        raise UpstreamError(worker_id, "the worker's message cannot be read", retry=Retry.IF_IDEMPOTENT) from error


def begin(
    channel: grpc.aio.Channel,
    method: Method,
    request: Message,
    *,
    metadata: tuple[tuple[str, str], ...],
    deadline_secs: float | None = None,
) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    """Start a call that is answered by a stream; whoever starts it must cancel it on leaving early.

    Without a deadline of its own it must be watched.
    """
    call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method.path)
    return call(request.SerializeToString(), timeout=deadline_secs, metadata=metadata)


async def unary(  # noqa: PLR0913 - one per part of a call
    worker_id: WorkerId,
    channel: grpc.aio.Channel,
    method: Method,
    request: Message,
    *,
    metadata: tuple[tuple[str, str], ...],
    deadline_secs: float | None = None,
    dialect: Dialect | None = None,
) -> Any:
    """Call once and return the answer; without a deadline of its own it must be watched.

    Raises:
        UpstreamError: It failed.
        DownstreamError: The caller is at fault, as ``dialect`` reads it.
    """
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method.path)
    with grpc_errors(worker_id, dialect):
        raw = await call(request.SerializeToString(), timeout=deadline_secs, metadata=metadata)
    return decode(worker_id, method, raw)


async def stream(
    worker_id: WorkerId,
    channel: grpc.aio.Channel,
    method: Method,
    *,
    metadata: tuple[tuple[str, str], ...],
    deadline_secs: float,
) -> AsyncGenerator[Any, None]:
    """Yield the messages that answer an empty request; the call is cancelled on leaving early."""
    with grpc_errors(worker_id):
        call = begin(channel, method, method.request(), metadata=metadata, deadline_secs=deadline_secs)
    try:
        while True:
            with grpc_errors(worker_id):
                raw = await call.read()
            if not isinstance(raw, bytes):  # grpc.aio.EOF
                return
            yield decode(worker_id, method, raw)
    finally:
        call.cancel()
