"""What becomes of a worker's error: passed on as it came, withheld, or told as the gateway's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.core.errors import (
    Retry,
    UpstreamDeniedError,
    UpstreamError,
    UpstreamRejectedError,
    UpstreamWithheldError,
)
from smg.core.words import Outcome
from smg.resilience.backoff import parse_retry_after
from smg.wire.errors import error_body
from smg.wire.headers import CREDENTIALS, downstream_headers
from smg.wire.secrets import shows

if TYPE_CHECKING:
    from smg.core.request import InferenceRequest, RawHeaders
    from smg.wire.told import ToldError
    from smg.workers.http_answer import HttpAnswer
    from smg.workers.http_worker import HttpWorker
    from smg.workers.lease import Lease

DENIALS: Final = frozenset({401, 403})
ERROR_BYTES: Final = 1 << 20
"""An error's body may have as many."""

JSON: Final[RawHeaders] = ((b"content-type", b"application/json"),)


class Judge:
    """Judges the errors with which one worker answers one request."""

    def __init__(self, worker: HttpWorker, request: InferenceRequest, lease: Lease, *, callers_pass: bool) -> None:
        """Take the parts; ``callers_pass`` where credentials that a caller brings go through to the worker."""
        self._worker = worker
        self._request = request
        self._lease = lease
        self._callers_pass = callers_pass

    def broken(self, message: str) -> UpstreamError:
        """Return the error for an answer that is none; another worker may give one."""
        return UpstreamError(self._worker.id, message, retry=Retry.IF_IDEMPOTENT)

    async def refusal(self, answer: HttpAnswer) -> UpstreamError:
        """Return the error for an answer whose status says that it is one; raises UpstreamError if it breaks off."""
        headers, body = downstream_headers(answer.headers), await answer.read_within(ERROR_BYTES)
        if body is None:  # its status says whose fault it is all the same
            too_long = self._judged(answer.status, headers, b"", _retry_after_secs(headers))
            return self._withheld(too_long) if isinstance(too_long, UpstreamRejectedError) else too_long
        return self._judged(answer.status, headers, body, _retry_after_secs(headers))

    def told(self, error: ToldError) -> UpstreamError:
        """Return the error for one that came as a 200: by the status it names, if that blames the caller."""
        if error.status is None:
            return self.broken("the worker answered with an error")
        return self._judged(error.status, JSON, error.document)

    def withholds(self, body: bytes, headers: RawHeaders = ()) -> bool:
        """Whether an error must not be shown: it holds the worker's key, or may hold it."""
        key = self._worker.settings.api_key
        return key is not None and shows(key, body, headers)

    def _judged(self, status: int, headers: RawHeaders, body: bytes, secs: float | None = None) -> UpstreamError:
        if status in DENIALS and not self._brought():
            return self._denied()
        again = status in self._worker.settings.retry.retryable_status_codes
        error = UpstreamRejectedError(
            self._worker.id,
            upstream_status=status,
            headers=headers,
            body=body,
            retry=Retry.IF_IDEMPOTENT if again else Retry.NEVER,
            retry_after_secs=secs,
        )
        return self._withheld(error) if self.withholds(body, headers) else error

    def _brought(self) -> bool:
        """Whether the worker was shown credentials of the caller's own."""
        return self._callers_pass and any(name.lower() in CREDENTIALS for name, _ in self._request.headers)

    def _denied(self) -> UpstreamDeniedError:
        """Return the error for what is wrong between the gateway and the worker."""
        if self._callers_pass:
            self._lease.settle(Outcome.ABANDONED)  # or whoever leaves its key off could take a worker from all others
        message = "the worker refused the gateway's credentials"
        return UpstreamDeniedError(self._worker.id, message, retry=Retry.IF_IDEMPOTENT)

    def _withheld(self, error: UpstreamRejectedError) -> UpstreamWithheldError:
        """Return what stands in the place of ``error``: its status, and where to look for the rest."""
        told = UpstreamWithheldError(
            self._worker.id,
            upstream_status=error.upstream_status,
            headers=JSON,
            body=b"",
            retry=error.retry,
            retry_after_secs=error.retry_after_secs,
        )
        told.message = f"the worker's error is withheld, request id {self._request.id}"
        told.body = error_body(told, self._request.id)
        return told


def _retry_after_secs(headers: RawHeaders) -> float | None:
    """Return the seconds the worker asks to wait; a date is not followed, since clocks of machines differ."""
    asked = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    return parse_retry_after(asked, 0.0) if asked.isdigit() else None
