"""T01, T03, T04: clocks that jump and settings that are wrong."""

from __future__ import annotations

import re
import time

import pytest

from smg.cli.main import main
from tests.cli.running import smg
from tests.faults.front.broken_configs import CONTRADICTIONS, broken
from tests.faults.front.caller import Caller
from tests.faults.front.crowd import Healthy
from tests.faults.front.requests import chat, request
from tests.faults.profile import SIZE, SLACK_SECS, at_most, count, secs
from tests.faults.report import figure

BROKEN = {id_: (text, key) for id_, text, key in broken()}
JUMPS = {"hour-ahead": 3_600.0, "hour-back": -3_600.0, "to-2038": 388_000_000.0, "half-second-back": -0.5}
STREAM = "stream 40 100 0.025"


def checked(tmp_path, text, capsys):
    """Check a file as ``smg launch`` would read it; return the code, what was said, and the time it took."""
    file = tmp_path / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    begun = time.monotonic()
    code = main(["check", str(file)])
    return code, capsys.readouterr().err, time.monotonic() - begun


@pytest.mark.beside
@pytest.mark.parametrize("name", BROKEN)
def test_broken_settings_are_refused(name, tmp_path, capsys):
    """Code 2 within a second, one line that names the file and the key, and no traceback."""
    text, key = BROKEN[name]
    code, told, took = checked(tmp_path, text, capsys)

    assert code == 2
    assert took <= 1.0 + SLACK_SECS
    assert re.search(r"gateway\.yaml:\d+: ", told) or name == "T03-binary"
    assert key in told
    assert len(told.strip().splitlines()) == 1
    assert "Traceback" not in told


@pytest.mark.parametrize("name", [pytest.param(name, id=f"T04-{name}") for name in CONTRADICTIONS])
def test_contradictions_are_refused(name, tmp_path, capsys):
    """Settings that cannot hold together: code 2, naming one of them."""
    text, key = CONTRADICTIONS[name]
    code, told, _ = checked(tmp_path, text, capsys)

    assert code == 2
    assert key in told


def test_t03_nothing_is_started_with_broken_settings(tmp_path, record_property):
    """The command itself ends with code 2, soon, and listens on nothing."""
    names = list(BROKEN)[:: max(1, len(BROKEN) // count(200, 3))]
    started = 0
    for name in names:
        file = tmp_path / "gateway.yaml"
        file.write_text(BROKEN[name][0], encoding="utf-8")
        with smg("launch", "--config", str(file)) as process:
            said, _ = process.communicate(timeout=20)
        started += process.returncode != 2 or "listening" in said

    figure(record_property, "F30", "broken files started with", started, 0, over=len(names))
    assert started == 0


@pytest.mark.parametrize("name", [pytest.param(name, id=f"T01-{name}") for name in JUMPS])
def test_wall_clock_moves_nothing(front, name):
    """A clock set wrong under load ends nothing early or late, and no duration becomes negative."""
    mark = len(front.program.logged("info", "warning", "error"))
    with Healthy(front.port) as healthy, Caller(front.port) as streaming:
        streaming.send(request(chat(stream=True), b"X-Script: " + STREAM.encode()))
        time.sleep(0.2)
        front.program.ask(f"wall {JUMPS[name]}")
        streamed = streaming.read(5, answers=1)
        time.sleep(secs(5) if SIZE != "short" else 0.2)
        front.program.ask("wall 0")
        time.sleep(0.1)

    lines = front.program.logged("info", "warning", "error")[mark:]
    assert healthy.failed == 0
    assert max(healthy.took) < at_most(1.0)
    assert streamed.answers[0].body.endswith(b"data: [DONE]\n\n")
    assert 1.0 <= streamed.secs <= at_most(3.0)
    assert [line for line in lines if line["level"] != "info"] == []
    assert all(line["duration_ms"] >= 0 for line in lines if "duration_ms" in line)
    assert not any(line["event"] == "worker.moved" for line in lines)
