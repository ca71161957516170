"""Every gRPC status has one meaning."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from smg.core.errors import ContextLengthError, InvalidRequestError, Retry, UpstreamConnectError, UpstreamError
from smg.core.words import Runtime, WorkerId
from smg.wire.engines.table import DIALECTS
from smg.workers.grpc_errors import VERDICTS, grpc_error, grpc_errors
from tests.workers.support import generation, grpc_worker

STATUSES = {
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "upstream_timeout", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (503, "upstream_unavailable", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.UNAVAILABLE: (502, "upstream_connect_failed", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.INTERNAL: (502, "upstream_failed", Retry.IF_IDEMPOTENT),
    grpc.StatusCode.UNAUTHENTICATED: (502, "upstream_failed", Retry.NEVER),
    grpc.StatusCode.UNIMPLEMENTED: (502, "upstream_failed", Retry.IF_IDEMPOTENT),
}


def failure(code: grpc.StatusCode, details: str = "") -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details)


def test_the_table_names_every_status() -> None:
    """All 17, so that a new one of grpc's is noticed here."""
    assert set(VERDICTS) == set(grpc.StatusCode)


@pytest.mark.parametrize(("code", "expected"), STATUSES.items())
def test_a_status_is_one_of_our_errors(code: grpc.StatusCode, expected: tuple[int, str, Retry]) -> None:
    """Status, code and retry are those of the table."""
    error = grpc_error(WorkerId("w"), failure(code, "10.0.0.1 secret"), None)

    assert isinstance(error, UpstreamError)
    assert (error.status, error.code, error.retry) == expected
    assert "10.0.0.1" not in error.message


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "bad", InvalidRequestError),
        (grpc.StatusCode.INTERNAL, "the prompt is too long", ContextLengthError),
    ],
)
def test_a_dialect_tells_the_callers_faults(code: grpc.StatusCode, details: str, expected: type[Exception]) -> None:
    """What the engine blames on the request is no failure of the worker."""
    with pytest.raises(expected), grpc_errors(WorkerId("w"), DIALECTS[Runtime.VLLM]):
        raise failure(code, details)


async def test_a_call_without_a_connection_is_safe_to_repeat(unused_port: int) -> None:
    """Where nobody listens grpc says so, and no byte of the request was sent."""
    worker = grpc_worker(f"grpc://127.0.0.1:{unused_port}", runtime_type="vllm")
    await worker.start()
    with pytest.raises(UpstreamConnectError) as caught:
        async with worker.generate(generation()):
            pass
    await worker.aclose()

    assert caught.value.retry is Retry.SAFE
