from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from smg.core.events import (
    PanicChanged,
    ProbeEnded,
    ProcessEnded,
    ProcessStarted,
    RequestFinished,
    TaskFailed,
    WorkerLifeChanged,
    WorkerRemoved,
)
from smg.core.request import Trail
from smg.core.words import LifeState, WorkerId, WorkerType
from smg.server.observers.log_lines import set_up_logging
from smg.server.observers.logs import LogObserver
from smg.server.settings import LogSettings

WORKER = WorkerId("w1")


def _finished(status: Any = 200, code: Any = None) -> Any:
    trail = Trail()
    trail.route, trail.status, trail.error_code, trail.model = "/v1/chat/completions", status, code, "m = x"
    trail.worker_id, trail.attempts, trail.completion_tokens, trail.caller = WORKER, 1, 7, "c1"
    return RequestFinished("r1", "POST", trail, 0.25, 1.5)


class Terminal(io.StringIO):
    def isatty(self) -> Any:
        return True


@pytest.fixture
def log_to(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set up logging to a stream of the test's, and undo it."""
    for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    root, smg = logging.getLogger(), logging.getLogger("smg")
    before = (root.handlers[:], root.level, smg.level)

    def set_up(stream: Any, *, process: int | None = None, **settings: Any) -> Any:
        set_up_logging(LogSettings(**settings), stream, process=process)
        return stream

    yield set_up
    root.handlers[:], root.level = before[0], before[1]
    smg.setLevel(before[2])


@pytest.mark.parametrize("url", ["http://a", "http://\u00fc", "http://a\u2028b", "http://\udcff"])
def test_any_text_is_one_line_of_ascii(log_to: Any, url: Any) -> None:
    """Readers end lines at other marks too, and what came from a command line may not be Unicode."""
    stream = log_to(io.StringIO(), level="info")

    LogObserver().notify(WorkerRemoved(WORKER, url))

    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue())["url"] == url
    assert '"event":"worker.removed"' in stream.getvalue()


def test_request_is_one_json_line_where_nobody_watches(log_to: Any) -> None:
    """Off a terminal each finished request is one JSON object, durations in milliseconds."""
    stream = log_to(io.StringIO())

    LogObserver().notify(_finished())

    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["request_id"], line["caller"]) == (
        "request.finished",
        "info",
        "r1",
        "c1",
    )
    assert (line["first_byte_ms"], line["duration_ms"], line["completion_tokens"]) == (250, 1500, 7)


def test_line_for_people_quotes_what_could_pass_for_more(log_to: Any) -> None:
    """On a terminal values with blanks or equal signs are quoted, and unknown ones left out."""
    stream = log_to(Terminal())

    LogObserver().notify(_finished())

    text = stream.getvalue()
    assert 'model="m = x"' in text
    assert "error_code" not in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("process", [0, 2])
def test_each_line_says_which_of_several_processes_wrote_it(log_to: Any, process: Any) -> None:
    """In JSON and in text; where there is only one, no line does."""
    as_json = log_to(io.StringIO(), process=process)
    LogObserver().notify(_finished())
    as_text = log_to(Terminal(), process=process)
    LogObserver().notify(_finished())
    alone = log_to(io.StringIO())
    LogObserver().notify(_finished())

    assert json.loads(as_json.getvalue())["process"] == process
    assert f"request.finished process={process} " in as_text.getvalue()
    assert "process" not in json.loads(alone.getvalue())


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (_finished(404, "not_found"), "info"),
        (_finished(502, "upstream_failed"), "warning"),
        (_finished(503, None), "info"),
        (WorkerLifeChanged(WORKER, "http://a", LifeState.READY, LifeState.UNHEALTHY, "timed out"), "warning"),
        (WorkerLifeChanged(WORKER, "http://a", LifeState.PENDING, LifeState.READY, "answers"), "info"),
        (PanicChanged("m", WorkerType.REGULAR, True), "warning"),
        (PanicChanged("m", WorkerType.REGULAR, False), "info"),
        (ProcessStarted(1, 7), "info"),
        (ProcessEnded(1, 7, -9, wanted=False), "warning"),
        (ProcessEnded(1, 7, 0, wanted=True), "info"),
        (TaskFailed("request r1", ValueError("sk-secret")), "error"),
    ],
)
def test_level_says_how_bad_it_is(log_to: Any, event: Any, level: Any) -> None:
    """A caller's fault is routine, a lost worker a warning, a bug an error; its message is not shown."""
    stream = log_to(io.StringIO(), json=True)

    LogObserver().notify(event)

    assert json.loads(stream.getvalue())["level"] == level
    assert "sk-secret" not in stream.getvalue()


def test_probes_are_not_logged(log_to: Any) -> None:
    """What happens every few seconds is counted elsewhere."""
    stream = log_to(io.StringIO(), level="debug")

    LogObserver().notify(ProbeEnded(WORKER, True, 0.1))

    assert stream.getvalue() == ""
