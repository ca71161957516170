"""What a failed gRPC call means: one table by status, and one by grpc's own words where the status says too little.

A call that could not be made and one that was under way both end as UNAVAILABLE, an engine without room and an answer
beyond our limit both as RESOURCE_EXHAUSTED; only the details, which grpc writes for people, tell them apart. ``SAID``
holds the few phrases relied on, as grpcio 1.85 has them. Each has a test against a peer that misbehaves that way, so
that a version with other words turns red, and what no row knows is judged by its status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from smg.core.errors import (
    Retry,
    StaleConnectionError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamTlsError,
    UpstreamUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Code = grpc.StatusCode


class UnknownCallError(UpstreamError):
    """The worker's server has no such call; within this package it tells protocols apart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one failure means."""

    error: type[UpstreamError]
    message: str
    retry: Retry


_FAILED = Verdict(UpstreamError, "the worker failed", Retry.IF_IDEMPOTENT)
_REFUSED = Verdict(UpstreamError, "the worker refused the request", Retry.NEVER)
_UNABLE = Verdict(UnknownCallError, "the worker does not know this call", Retry.IF_IDEMPOTENT)

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
    Code.UNAVAILABLE: Verdict(UpstreamError, "the worker is not available", Retry.IF_IDEMPOTENT),
    Code.DATA_LOSS: _FAILED,
    Code.UNAUTHENTICATED: _REFUSED,
}

_UNREACHED = Verdict(UpstreamConnectError, "the worker cannot be connected to", Retry.SAFE)
_UNTRUSTED = Verdict(UpstreamTlsError, "no secure connection to the worker could be made", Retry.SAFE)
_FOREIGN = Verdict(UpstreamError, "the worker does not speak gRPC", Retry.SAFE)
_LEFT_OUT = Verdict(StaleConnectionError, "the worker left the request out", Retry.SAFE)
_BROKEN = Verdict(UpstreamError, "the worker gave its connection up", Retry.SAFE)
_TOO_LARGE = Verdict(UpstreamError, "the worker sent a message larger than allowed", Retry.IF_IDEMPOTENT)

UNAVAILABLE: Sequence[tuple[str, str, Verdict]] = (
    ("failed to connect", "Tls handshake failed", _UNTRUSTED),  # any certificate but for its name; plain text
    ("failed to connect", "Hostname Verification Check failed", _UNTRUSTED),
    ("failed to connect", "Cannot check peer", _UNTRUSTED),  # no ALPN: HTTP/2 was not agreed on
    ("failed to connect", "Failed parsing HTTP/2", _FOREIGN),
    ("failed to connect", "Socket closed", _FOREIGN),  # taken and closed; so is our certificate refused in TLS 1.3
    ("failed to connect", "msg:", _FOREIGN),  # recvmsg or sendmsg: taken and reset
    ("failed to connect", "", _UNREACHED),
    ("errors resolving", "", _UNREACHED),
    ("Stream removed (RST_STREAM", "with error code 7)", _LEFT_OUT),  # REFUSED_STREAM: before any processing
    ("Stream removed (GOAWAY received", "Error code: 0;", _LEFT_OUT),  # the stream is above the last one served
    ("Stream removed (GOAWAY received", "Error code: 11;", _LEFT_OUT),  # the same, by a server pinged too often
    ("Stream removed (GOAWAY received", "", _BROKEN),  # the same, by a server with a problem
)
SAID: Mapping[grpc.StatusCode, Sequence[tuple[str, str, Verdict]]] = {
    Code.UNAVAILABLE: UNAVAILABLE,
    Code.RESOURCE_EXHAUSTED: (
        ("", "CLIENT: Received message larger", _TOO_LARGE),  # as it came, or just so once unpacked
        ("Decompressed message larger", "", _TOO_LARGE),  # given up while it is unpacked
    ),
}
"""How the details of a status begin, what they hold, and what that means; the first row that fits."""


def verdict(code: grpc.StatusCode, details: str) -> Verdict:
    """Return what a call's end means."""
    rows = (meant for begins, holds, meant in SAID.get(code, ()) if details.startswith(begins) and holds in details)
    return next(rows, VERDICTS[code])
