"""Tests of smg.wire.errors."""

from __future__ import annotations

import json

import pytest

from smg.core.errors import (
    GatewayError,
    InvalidRequestError,
    NoWorkerError,
    Retry,
    UnauthenticatedError,
    UpstreamTimeoutError,
)
from smg.core.words import WorkerId
from smg.wire.errors import error_body, error_event, error_headers


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            InvalidRequestError("n must be 1 to 128", param="n"),
            {"message": "n must be 1 to 128", "type": "invalid_request_error", "param": "n", "code": "invalid_request"},
        ),
        (
            NoWorkerError("no worker"),
            {"message": "no worker", "type": "server_error", "param": None, "code": "no_available_workers"},
        ),
        (
            UpstreamTimeoutError(WorkerId("w1"), "too late", retry=Retry.NEVER),
            {"message": "too late", "type": "server_error", "param": None, "code": "upstream_timeout"},
        ),
        (
            GatewayError("secret detail"),
            {
                "message": "internal error, request id r1",
                "type": "server_error",
                "param": None,
                "code": "internal_error",
            },
        ),
    ],
)
def test_body_has_the_shape_clients_parse(error: GatewayError, expected: object) -> None:
    """All four members are there; our own faults say only where to look."""
    assert {"error": expected} == json.loads(error_body(error, "r1"))


@pytest.mark.parametrize(("secs", "expected"), [(0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (0.0, b"0"), (-1.0, b"0")])
def test_retry_after_is_rounded_up(secs: float, expected: object) -> None:
    """Coming back a moment later is right, a moment earlier is not."""
    headers = dict(error_headers(NoWorkerError("none", retry_after_secs=secs)))

    assert headers[b"retry-after"] == expected


def test_headers_name_type_and_code() -> None:
    """No Retry-After where nobody knows when."""
    assert error_headers(InvalidRequestError("no")) == (
        (b"content-type", b"application/json"),
        (b"x-smg-error-code", b"invalid_request"),
    )


def test_401_says_how_to_authenticate() -> None:
    """HTTP demands the challenge with every 401."""
    assert (b"www-authenticate", b"Bearer") in error_headers(UnauthenticatedError("no"))


def test_event_carries_the_body_on_one_line() -> None:
    """Line ends in a message are escaped by JSON, so nobody can forge an event."""
    event = error_event(InvalidRequestError("a\n\ndata: b"), "r1")

    assert event == b"data: " + error_body(InvalidRequestError("a\n\ndata: b"), "r1") + b"\n\n"
    assert event.count(b"\n") == 2
