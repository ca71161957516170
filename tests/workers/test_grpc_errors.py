"""A failed call is one of our errors, or the caller's fault where a dialect says so."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from smg.core.errors import ContextLengthError, InvalidRequestError, UpstreamError
from smg.core.words import Runtime, WorkerId
from smg.wire.engines.table import DIALECTS
from smg.workers.grpc_errors import grpc_error, grpc_errors


def failure(code: grpc.StatusCode, details: str = "") -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details)


def test_a_failed_call_becomes_an_error_that_shows_nothing_of_the_worker() -> None:
    """Neither address nor the engine's own words."""
    error = grpc_error(WorkerId("w"), failure(grpc.StatusCode.INTERNAL, "10.0.0.1 secret"), None)

    assert isinstance(error, UpstreamError)
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
