"""``smg engine``."""

from __future__ import annotations

import json
import signal
import urllib.request

from tests.cli.running import DEADLINE_SECS, lines_until, smg


def test_engines_say_where_they_listen_and_end_on_ctrl_c():
    """One URL per line, and a clean end."""
    with smg("engine", "--count", "2", "--model", "tiny", "--speed", "0") as process:
        (first,) = lines_until(process, "http://")
        (second,) = lines_until(process, "http://")
        with urllib.request.urlopen(f"{first}/v1/models", timeout=5) as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == ["tiny"]
        assert first != second
        process.send_signal(signal.SIGINT)

        assert process.wait(DEADLINE_SECS) == 0


def test_taken_port_is_one_line():
    """Two engines cannot share a port, over gRPC either."""
    with smg("engine", "--mode", "grpc", "--runtime", "vllm") as process:
        (url,) = lines_until(process, "grpc://")
        with smg("engine", "--mode", "grpc", "--port", url.rpartition(":")[2]) as second:
            _, error = second.communicate(timeout=DEADLINE_SECS)

            assert second.returncode == 1
            assert error.splitlines()[-1].startswith("smg: cannot listen: ")
            assert "Traceback" not in error
