"""One tree of errors: each leaf knows its status, its code, whose fault it is and whether to try again.

Rules: messages are lower case, say what and which, and never contain bodies, prompts, keys or worker
addresses. ``docs/errors.md`` is made from the classes of this file.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from smg.core.request import RawHeaders
    from smg.core.words import WorkerId


class Retry(Enum):
    """May this failure be tried again on another worker?"""

    SAFE = "safe"  # no byte of the request reached the worker
    IF_IDEMPOTENT = "if_idempotent"  # the worker may have started on it; nothing reached the caller
    NEVER = "never"  # the caller has seen output, or the fault is the caller's


class GatewayError(Exception):
    """A fault of the gateway itself; the caller learns only the request id.

    Attributes:
        status: HTTP status of the answer, 400 to 599.
        code: Stable word for machines, also sent as ``X-SMG-Error-Code``.
        type: OpenAI's error family, sent as ``error.type``.
        param: The request field at fault, if one is.
        retry_after_secs: When to come back; sent as ``Retry-After``, rounded up to whole seconds.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after_secs: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_secs = retry_after_secs


class DownstreamError(GatewayError):
    """The caller's side is at fault: never retried, never counted against a worker.

    Attributes:
        by_worker: A worker said so, and was right to; else the gateway did, whatever the worker it had picked.
    """

    status = 400
    code = "invalid_request"
    type = "invalid_request_error"
    by_worker = False


class InvalidRequestError(DownstreamError):
    """A field is missing, of the wrong type or out of range."""


class InvalidJsonError(DownstreamError):
    """The body is not one JSON object in UTF-8."""

    code = "invalid_json"


class UnsupportedFieldError(DownstreamError):
    """No engine that serves this model can do what a field asks for."""

    code = "unsupported_field"


class ContextLengthError(DownstreamError):
    """The prompt, or the prompt and the asked-for answer, exceed the model's context."""

    code = "context_length_exceeded"


class BadFramingError(DownstreamError):
    """The HTTP message is not well formed."""

    code = "bad_request"


class UnauthenticatedError(DownstreamError):
    """The API key is missing or wrong; the message never says which."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class ForbiddenError(DownstreamError):
    """The API key is right, but not for this."""

    status = 403
    code = "forbidden"
    type = "permission_error"


class NotFoundError(DownstreamError):
    """No such path or object."""

    status = 404
    code = "not_found"


class MethodNotAllowedError(DownstreamError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class RequestTimeoutError(DownstreamError):
    """The caller took too long to send the request."""

    status = 408
    code = "request_timeout"


class ConflictError(DownstreamError):
    """The object exists already, or changed meanwhile."""

    status = 409
    code = "conflict"


class PayloadTooLargeError(DownstreamError):
    """The body is larger than ``--max-payload-size``."""

    status = 413
    code = "payload_too_large"


class TargetTooLongError(DownstreamError):
    """The request line is longer than the gateway reads."""

    status = 414
    code = "uri_too_long"


class UnsupportedMediaTypeError(DownstreamError):
    """The content type or coding of the body is not served."""

    status = 415
    code = "unsupported_media_type"


class FieldsTooLargeError(DownstreamError):
    """The request's fields are too many, or too long, alone or together."""

    status = 431
    code = "request_header_fields_too_large"


class RateLimitedError(DownstreamError):
    """More requests came than the operator allows; come back after ``Retry-After``."""

    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"


class RoutingError(GatewayError):
    """There is nobody to send the request to."""

    status = 503
    code = "no_available_workers"


class UnknownModelError(RoutingError):
    """No registered worker serves this model."""

    status = 404
    code = "model_not_found"
    type = "invalid_request_error"


class NoWorkerError(RoutingError):
    """The model is known, but no worker that serves it is available now, or can be connected to."""


class LeaseRefusedError(RoutingError):
    """The worker picked takes no request after all; the attempt loop picks again, and no caller sees this."""


class UnsupportedEndpointError(RoutingError):
    """No registered worker of this model can serve this endpoint."""

    status = 400
    code = "unsupported_endpoint"
    type = "invalid_request_error"


class FleetFullError(RoutingError):
    """As many workers are registered as the gateway allows."""

    code = "fleet_full"


class OverloadedError(RoutingError):
    """The gateway runs as many requests as it may, and its queue is full or was too slow."""

    code = "gateway_overloaded"


class DrainingError(RoutingError):
    """The gateway is shutting down and takes no new requests."""

    code = "shutting_down"


class UpstreamError(GatewayError):
    """A worker, or the way to it, failed.

    Attributes:
        worker_id: The worker at fault.
        retry: Whether another worker may be tried; see ``Retry``.
    """

    status = 502
    code = "upstream_failed"

    def __init__(
        self, worker_id: WorkerId, message: str, *, retry: Retry, retry_after_secs: float | None = None
    ) -> None:
        super().__init__(message, retry_after_secs=retry_after_secs)
        self.worker_id = worker_id
        self.retry = retry


class UpstreamConnectError(UpstreamError):
    """No connection to the worker could be made."""

    code = "upstream_connect_failed"


class StaleConnectionError(UpstreamError):
    """A kept connection turned out closed before a byte of the answer came; the worker is not to blame."""


class UpstreamTlsError(UpstreamError):
    """The worker's certificate was refused, or it refused ours."""

    code = "upstream_tls"


class UpstreamTimeoutError(UpstreamError):
    """The worker was too late.

    Attributes:
        blames: It says something of the worker; not so where its caller's patience ended before the operator's, where
            the worker was at it, or where the gateway itself let it wait.
    """

    status = 504
    code = "upstream_timeout"

    def __init__(self, worker_id: WorkerId, message: str, *, retry: Retry, blames: bool = True) -> None:
        super().__init__(worker_id, message, retry=retry)
        self.blames = blames


class ConnectTimeoutError(UpstreamTimeoutError):
    """No connection to the worker came about within ``connect_secs``."""

    code = "upstream_connect_timeout"


class FirstByteTimeoutError(UpstreamTimeoutError):
    """The worker's answer did not begin within ``first_byte_secs``."""

    code = "upstream_first_byte_timeout"


class FirstTokenTimeoutError(UpstreamTimeoutError):
    """The worker's stream showed no output within ``first_token_secs``."""

    code = "upstream_first_token_timeout"


class StalledError(UpstreamTimeoutError):
    """The worker fell silent for ``between_chunks_secs`` in the middle of its answer."""

    code = "upstream_stalled"


class TotalTimeoutError(UpstreamTimeoutError):
    """The answer was not whole within ``total_secs``."""

    code = "upstream_total_timeout"


class UpstreamUnavailableError(UpstreamError):
    """The worker answered that it takes no work now."""

    status = 503
    code = "upstream_unavailable"


class StreamBrokenError(UpstreamError):
    """The worker broke off after the caller had seen output."""

    code = "upstream_stream_broken"


class UpstreamRejectedError(UpstreamError):
    """The worker answered with an error of its own, which is passed on as it came.

    Attributes:
        upstream_status: The worker's status, 400 to 599.
        headers: The worker's response fields, hop-by-hop ones already dropped.
        body: The worker's body, undecoded; at most 1 MiB.
    """

    code = "upstream_rejected"

    def __init__(
        self,
        worker_id: WorkerId,
        *,
        upstream_status: int,
        headers: RawHeaders,
        body: bytes,
        retry: Retry,
        retry_after_secs: float | None = None,
    ) -> None:
        message = f"worker answered {upstream_status}"
        super().__init__(worker_id, message, retry=retry, retry_after_secs=retry_after_secs)
        self.upstream_status = upstream_status
        self.headers = headers
        self.body = body


class UpstreamWithheldError(UpstreamRejectedError):
    """The worker's own error shows the gateway's key, so this one stands in its place, with the worker's status."""

    code = "upstream_error_withheld"


class UpstreamDeniedError(UpstreamError):
    """The worker refused the credentials of the gateway, or asks for some that it was not given."""

    code = "upstream_denied"


class ConfigError(Exception):
    """A setting cannot be used; the message names it and the value wanted. Raised at start-up only."""
