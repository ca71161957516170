"""The structured log: one line per finished request and per change of state, never a prompt, a body or a key."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from smg.core.events import (
    AttemptEnded,
    BreakerMoved,
    PanicChanged,
    ProcessEnded,
    ProcessStarted,
    RequestFinished,
    TaskFailed,
    WorkerAdded,
    WorkerLifeChanged,
    WorkerRemoved,
)
from smg.core.observers import Observer
from smg.core.words import LifeState

if TYPE_CHECKING:
    from smg.core.events import Event

DEBUG: Final = logging.DEBUG
INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
LOG: Final = logging.getLogger("smg.server")
FIELDS: Final = "smg_fields"
SERVER_ERROR: Final = 500


class LogObserver(Observer):
    """Writes events to the log ``smg.server``, by the level that this has when the observer is made."""

    def __init__(self) -> None:
        self._lowest = LOG.getEffectiveLevel()

    @override
    def notify(self, event: Event) -> None:
        """Log ``event`` if it is one that is logged; probes are only counted."""
        match event:
            case RequestFinished():
                self._finished(event)
            case AttemptEnded():
                if self._lowest <= DEBUG:
                    LOG.debug("attempt.ended", extra=_attempt(event))
            case TaskFailed(name, error):
                LOG.error("bug", extra=_fields(task=name, **_described(error)))
            case ProcessStarted(number, pid):
                LOG.info("process.started", extra=_fields(number=number, pid=pid))
            case ProcessEnded(number, pid, code, wanted):
                level = INFO if wanted else WARNING
                LOG.log(level, "process.ended", extra=_fields(number=number, pid=pid, code=code))
            case _:
                self._changed(event)

    def _changed(self, event: Event) -> None:
        """Log a change in the fleet."""
        match event:
            case WorkerAdded(worker_id, url, source):
                LOG.info("worker.added", extra=_fields(worker=worker_id, url=url, source=source))
            case WorkerRemoved(worker_id, url):
                LOG.info("worker.removed", extra=_fields(worker=worker_id, url=url))
            case WorkerLifeChanged():
                self._moved(event)
            case BreakerMoved(worker_id, url, old, new):
                level = WARNING if new == "open" else INFO
                LOG.log(level, "breaker.moved", extra=_fields(worker=worker_id, url=url, old=old, new=new))
            case PanicChanged(model, worker_type, panicking):
                level = WARNING if panicking else INFO
                name = "panic.began" if panicking else "panic.ended"
                LOG.log(level, name, extra=_fields(model=model, worker_type=worker_type.value))
            case _:
                pass

    def _finished(self, event: RequestFinished) -> None:
        trail = event.trail
        failed = trail.error_code is not None and (trail.status or 0) >= SERVER_ERROR  # a probe's 503 is no failure
        level = WARNING if failed else INFO
        if self._lowest <= level:
            LOG.log(level, "request.finished", extra=_finish(event))

    def _moved(self, event: WorkerLifeChanged) -> None:
        lost = event.new is LifeState.UNHEALTHY
        LOG.log(
            WARNING if lost else INFO,
            "worker.moved",
            extra=_fields(
                worker=event.worker_id, url=event.url, old=event.old.value, new=event.new.value, reason=event.reason
            ),
        )


def _fields(**fields: Any) -> dict[str, Any]:
    return {FIELDS: fields}


def _finish(event: RequestFinished) -> dict[str, Any]:
    trail = event.trail
    return _fields(
        request_id=event.request_id,
        method=event.method,
        route=trail.route,
        status=trail.status,
        error_code=trail.error_code,
        caller=trail.caller,
        model=trail.model,
        streaming=trail.streaming,
        worker=trail.worker_id,
        attempts=trail.attempts,
        first_byte_ms=_ms(event.first_byte_secs),
        duration_ms=_ms(event.duration_secs),
        prompt_tokens=trail.prompt_tokens,
        completion_tokens=trail.completion_tokens,
    )


def _attempt(event: AttemptEnded) -> dict[str, Any]:
    return _fields(
        request_id=event.request_id,
        worker=event.worker_id,
        mode=event.mode.value if event.mode else None,
        attempt=event.attempt,
        outcome=event.outcome.value,
        error_code=event.error_code,
        elapsed_ms=_ms(event.elapsed_secs),
    )


def _described(error: BaseException) -> dict[str, str]:
    """Return kind and place of a bug; its message may quote what a caller sent, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "traceback": " < ".join(f"{frame.name}:{frame.lineno} {frame.filename}" for frame in reversed(frames)),
    }


def _ms(secs: float | None) -> float | None:
    return None if secs is None else round(secs * 1000, 3)
