"""The structured log: one line per finished request and per change of state, never a prompt, a body or a key."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
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
from smg.core.words import LifeState

if TYPE_CHECKING:
    from smg.core.events import Event
    from smg.server.settings import LogSettings

LOG = logging.getLogger("smg.server")
FIELDS = "smg_fields"
SERVER_ERROR = 500


class LogObserver:
    """Writes events to the log ``smg.server``."""

    def notify(self, event: Event) -> None:
        """Log ``event`` if it is one that is logged; probes are only counted."""
        match event:
            case RequestFinished():
                self._finished(event)
            case AttemptEnded():
                if LOG.isEnabledFor(logging.DEBUG):
                    LOG.debug("attempt.ended", extra=_attempt(event))
            case TaskFailed(name, error):
                LOG.error("bug", extra=_fields(task=name, **_described(error)))
            case ProcessStarted(number, pid):
                LOG.info("process.started", extra=_fields(number=number, pid=pid))
            case ProcessEnded(number, pid, code, wanted):
                level = logging.INFO if wanted else logging.WARNING
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
                level = logging.WARNING if new == "open" else logging.INFO
                LOG.log(level, "breaker.moved", extra=_fields(worker=worker_id, url=url, old=old, new=new))
            case PanicChanged(model, worker_type, panicking):
                level = logging.WARNING if panicking else logging.INFO
                name = "panic.began" if panicking else "panic.ended"
                LOG.log(level, name, extra=_fields(model=model, worker_type=worker_type.value))
            case _:
                pass

    def _finished(self, event: RequestFinished) -> None:
        failed = event.error_code is not None and event.status >= SERVER_ERROR  # a probe's 503 is no failure
        level = logging.WARNING if failed else logging.INFO
        if LOG.isEnabledFor(level):
            LOG.log(level, "request.finished", extra=_finish(event))

    def _moved(self, event: WorkerLifeChanged) -> None:
        lost = event.new is LifeState.UNHEALTHY
        LOG.log(
            logging.WARNING if lost else logging.INFO,
            "worker.moved",
            extra=_fields(
                worker=event.worker_id, url=event.url, old=event.old.value, new=event.new.value, reason=event.reason
            ),
        )


class ProcessFormatter(logging.Formatter):
    """Knows which of several processes writes, and the time.

    Attributes:
        process: Fields that name it in every line; none where it is the only one.
    """

    def __init__(self, process: int | None) -> None:
        super().__init__()
        self.process = {} if process is None else {"process": process}
        self._second = 0
        self._text = ""

    def utc(self, created: float) -> str:
        """Return a moment to the millisecond; all but that is made once a second."""
        if (second := int(created)) != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((created - second) * 1000):03d}+00:00"


class JsonFormatter(ProcessFormatter):
    """One JSON object per line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **self.process,
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _as_json(line)


class TextFormatter(ProcessFormatter):
    """A line for people: time, level, event, then ``name=value`` pairs."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        fields = {**self.process, **getattr(record, FIELDS, {})}
        pairs = [f"{name}={_shown(value)}" for name, value in fields.items() if value is not None]
        line = " ".join([self.utc(record.created), record.levelname, record.getMessage(), *pairs])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up_logging(settings: LogSettings, stream: TextIO = sys.stderr, *, process: int | None = None) -> None:
    """Send all logs to ``stream``, as JSON lines unless it is a terminal or the settings say otherwise.

    Where several processes write there, each line says which: 0 is the supervisor.

    The gRPC library writes past Python's logging, so it is silenced unless the environment says otherwise; to be
    called before it is imported.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    as_json = not stream.isatty() if settings.json is None else settings.json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(process) if as_json else TextFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("smg").setLevel(settings.level.upper())
    _note_less()


def _note_less() -> None:
    """Leave out of each record what no line tells, and what takes longer than the line: its caller, thread and process.

    The way is that of the "Optimization" in Python's "Logging HOWTO".
    """
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _as_json(line: dict[str, Any]) -> str:
    """Return the line in ASCII: some readers end one at U+2028, and half a surrogate has no UTF-8."""
    with suppress(UnicodeEncodeError):
        quick = msgspec.json.encode(line, enc_hook=str)
        if quick.isascii():
            return quick.decode()
    return json.dumps(line, default=str, separators=(",", ":"))


def _fields(**fields: Any) -> dict[str, Any]:
    return {FIELDS: fields}


def _finish(event: RequestFinished) -> dict[str, Any]:
    return _fields(
        request_id=event.request_id,
        method=event.method,
        route=event.route,
        status=event.status,
        error_code=event.error_code,
        caller=event.caller,
        model=event.model,
        streaming=event.streaming,
        worker=event.worker_id,
        attempts=event.attempts,
        first_byte_ms=_ms(event.first_byte_secs),
        duration_ms=_ms(event.duration_secs),
        prompt_tokens=event.prompt_tokens,
        completion_tokens=event.completion_tokens,
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


def _shown(value: object) -> str:
    """Return a value that cannot break the line or pass for another pair."""
    text = str(value)
    return text if text.isascii() and text.isprintable() and not set(text) & set(' ="') else json.dumps(text)
