"""One try at one worker: a lease around a dispatch, told of when it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from smg.core.clock import Clock
from smg.core.errors import (
    DownstreamError,
    Retry,
    RoutingError,
    StaleConnectionError,
    StreamBrokenError,
    UpstreamError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from smg.core.events import AttemptEnded
from smg.core.observers import Observer
from smg.core.words import Outcome

if TYPE_CHECKING:
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.router import Router
    from smg.workers.lease import Lease
    from smg.workers.worker import Worker


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the loop is handed instead of reaching for it.

    Attributes:
        sleep: Waits that many seconds between attempts; cancellable.
    """

    clock: Clock
    observer: Observer
    rng: Random
    sleep: Callable[[float], Awaitable[None]]


class Attempt:
    """One worker's chance to answer a request."""

    def __init__(self, router: Router, worker: Worker, around: Surroundings) -> None:
        self._router = router
        self._worker = worker
        self._around = around
        self._code: str | None = None

    async def run(self, request: InferenceRequest, sink: Sink) -> None:
        """Have the worker answer; whatever happens, its slot is given back and one outcome is told.

        Raises:
            LeaseRefusedError: The worker takes no request after all; nothing was tried.
            DownstreamError: The engine refused the request as the caller's fault.
            UpstreamError: The worker failed; a ``StreamBrokenError`` once the caller has seen output.
        """
        started = self._around.clock.now()
        with self._worker.lease(request.tokens) as lease:
            request.trail.attempts += 1
            request.trail.worker_id = self._worker.id
            try:
                await self._router.dispatch(self._worker, request, sink, lease)
            except Exception as error:  # whatever it is goes on, once it is known what it says of the worker
                self._judge(error, lease)
                if sink.head is None or not _breaks_off(error):
                    raise
                self._code = StreamBrokenError.code
                broken = StreamBrokenError(self._worker.id, "the worker broke off the answer", retry=Retry.NEVER)
                raise broken from error
            finally:
                self._tell(request, lease, started)

    def _judge(self, error: Exception, lease: Lease) -> None:
        """Note what a failure says of the worker; a bug of ours is for the lease to judge."""
        if isinstance(error, DownstreamError):
            self._code = error.code
            lease.settle(Outcome.SUCCEEDED if error.by_worker else Outcome.ABANDONED)
        elif isinstance(error, UpstreamError):
            self._code = error.code
            lease.settle(_verdict(error))
        elif isinstance(error, ConnectionResetError | RoutingError):
            lease.settle(Outcome.ABANDONED)  # the caller has gone, or the gateway is too busy: not the worker's doing

    def _tell(self, request: InferenceRequest, lease: Lease, started: float) -> None:
        self._around.observer.notify(
            AttemptEnded(
                request_id=request.id,
                worker_id=self._worker.id,
                mode=self._worker.connection_mode,
                attempt=request.trail.attempts,
                outcome=lease.outcome or Outcome.ABANDONED,
                error_code=self._code,
                elapsed_secs=self._around.clock.now() - started,
            )
        )


def _breaks_off(error: Exception) -> bool:
    """Tell whether a failure after the answer's head is to be told as what it is to a caller: a broken answer."""
    return isinstance(error, UpstreamError) and not isinstance(error, StreamBrokenError | UpstreamTimeoutError)


def _verdict(error: UpstreamError) -> Outcome:
    """Return what an error says of the worker."""
    match error:
        case UpstreamUnavailableError() | UpstreamRejectedError(upstream_status=429):
            return Outcome.BUSY
        case UpstreamRejectedError(retry=Retry.NEVER):
            return Outcome.SUCCEEDED  # it did right to refuse
        case StaleConnectionError() | UpstreamTimeoutError(blames=False):
            return Outcome.ABANDONED  # the pool's doing, or the caller's
        case _:
            return Outcome.FAILED
