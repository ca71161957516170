"""How the lines of the log look, and where they go."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
from typing_extensions import override

from smg.server.observers.logs import FIELDS

if TYPE_CHECKING:
    from smg.server.settings import LogSettings


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


def _shown(value: object) -> str:
    """Return a value that cannot break the line or pass for another pair."""
    text = str(value)
    return text if text.isascii() and text.isprintable() and not set(text) & set(' ="') else json.dumps(text)
