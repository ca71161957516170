"""``smg demo``, whole."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request

from smg.cli.main import main
from tests.cli.running import DEADLINE_SECS, lines_until, smg


def test_once_shows_both_modes_and_ends():
    """An answer of an HTTP worker and one of a gRPC worker come through the gateway: the same text."""
    with smg("demo", "--once", "--port", "0") as process:
        shown, error = process.communicate(timeout=DEADLINE_SECS)

    assert process.returncode == 0, error
    assert error == ""
    answers = dict(re.findall(r"^Answered by [^ ]+, (\w+)://[^\n]+:\n(.+)$", shown, re.MULTILINE))
    assert set(answers) == {"http", "grpc"}
    assert answers["http"] == answers["grpc"]
    assert re.search(r"curl -N http://127\.0\.0\.1:\d+/v1/chat/completions", shown)
    assert shown.endswith("All ended.\n")


def test_serves_until_ctrl_c():
    """After the sample others may ask, and Ctrl-C ends engines and gateway."""
    with smg("demo", "--port", "0") as process:
        url = re.findall(r"http://\S+", lines_until(process, "Serving on")[-1])[0]
        with urllib.request.urlopen(f"{url}/v1/models", timeout=5) as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == ["demo-model"]
        process.send_signal(signal.SIGINT)

        assert lines_until(process, "All ended.")[-1] == "All ended."
        assert process.wait(DEADLINE_SECS) == 0


def test_taken_port_names_the_next_step(capsys):
    """Nothing is started, and the way on is said."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert main(["demo", "--port", str(port)]) == 2

    message = capsys.readouterr().err
    assert message == f"smg: port {port}: address already in use; choose another one: smg demo --port 30100\n"
