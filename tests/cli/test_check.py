"""``smg check``."""

from __future__ import annotations

import yaml

from smg.cli.main import main


def test_right_file(tmp_path, capsys):
    """Code 0, and one line."""
    file = tmp_path / "gateway.yaml"
    file.write_text("server: {port: 1}")

    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: right\n"


def test_wrong_file(tmp_path, capsys):
    """Code 2, and one line with file, line, setting and hint."""
    file = tmp_path / "gateway.yaml"
    file.write_text("server:\n  prot: 1\n")

    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().err == f"smg: {file}:2: server.prot: unknown key; did you mean 'port'?\n"


def test_missing_file(capsys):
    """A file that is not there is a wrong setting."""
    assert main(["check", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err == "smg: nowhere.yaml: cannot be read: No such file or directory\n"


def test_show_prints_what_holds(tmp_path, capsys, monkeypatch):
    """Everything that would hold, the environment laid over the file, keys masked."""
    file = tmp_path / "gateway.yaml"
    file.write_text("server: {port: 1, api_key: hidden}")
    monkeypatch.setenv("SMG_HOST", "::1")

    assert main(["check", "--show", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "hidden" not in shown
    assert (
        yaml.safe_load(shown)["server"] | {"port": 1, "host": "::1", "api_key": "***"}
        == yaml.safe_load(shown)["server"]
    )
