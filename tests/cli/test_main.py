"""The entry of the command."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from scripts.compile import libraries
from smg.cli.main import main

HEAVY = ("aiohttp", "grpc", "uvloop", "tokenizers", "jinja2", "yaml", "prometheus_client")


def test_alone_it_prints_help(capsys):
    """Whoever does not know the command yet is shown what it can do."""
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("launch", "check", "engine", "demo", "examples:"))


def test_version_is_the_distributions(capsys):
    """The version stands in one place, the distribution's metadata; beside it, whether what runs is compiled."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    compiled = " (compiled)" if any(libraries()) else ""
    assert capsys.readouterr().out == f"smg {version('smg-gateway')}{compiled}\n"


def test_unknown_command_is_wrong_usage(capsys):
    """Wrong usage has the code of wrong settings."""
    with pytest.raises(SystemExit) as ended:
        main(["serve"])

    assert ended.value.code == 2
    assert "invalid choice: 'serve'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["launch", "start", "check", "engine", "demo"])
def test_every_command_explains_itself(command, capsys):
    """Each command has a help of its own."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: smg")


def test_help_loads_nothing_heavy():
    """The command answers at once: what serves is imported only when it serves."""
    script = (
        "import sys; from smg.cli.main import build_parser; build_parser().format_help(); "
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout == "\n"


def test_module_is_the_command():
    """``python -m smg`` works where the script is not on the path, and is quick."""
    began = time.perf_counter()

    done = subprocess.run([sys.executable, "-m", "smg"], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.startswith("usage: smg ")
    assert time.perf_counter() - began < 5.0


def test_wrong_settings_are_one_line(capsys):
    """No traceback, the setting and what is wanted, code 2."""
    assert main(["launch", "--port", "70000"]) == 2
    assert capsys.readouterr().err == "smg: --port: server.port: must be 0 to 65535\n"


def test_failure_of_the_system_is_one_line(capsys, monkeypatch):
    """What the system refuses has code 1."""
    monkeypatch.setattr("smg.cli.demo._require_free", lambda _: (_ for _ in ()).throw(OSError("no sockets")))

    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "smg: no sockets\n"
