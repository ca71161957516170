"""The committed stubs are what ``protos`` generate, and ``--check`` would notice if not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "smg" / "stubs"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the stubs, so that they may be touched."""
    return Path(shutil.copytree(STUBS, tmp_path / "stubs", ignore=shutil.ignore_patterns("__pycache__")))


def test_committed_stubs_are_fresh() -> None:
    """Nobody forgot ``make proto``."""
    assert check(STUBS) == (0, [])


def test_touched_stub_is_named(copy: Path) -> None:
    """A stub that was edited by hand is stale."""
    with (copy / "common_pb2.pyi").open("a", encoding="utf-8") as stub:
        stub.write("# touched\n")

    assert check(copy) == (1, ["stale: common_pb2.pyi"])


def test_missing_and_left_over_stubs_are_named(copy: Path) -> None:
    """A stub whose file came or went counts as stale too."""
    (copy / "mlx_engine_pb2.py").rename(copy / "gone_pb2.py")

    assert check(copy) == (1, ["stale: gone_pb2.py", "stale: mlx_engine_pb2.py"])


def test_check_writes_nothing(copy: Path) -> None:
    """Asking does not repair."""
    (copy / "common_pb2.py").unlink()
    check(copy)

    assert not (copy / "common_pb2.py").exists()


def test_generating_repairs_and_repeats(copy: Path) -> None:
    """Two runs give the same bytes, clear what is left over and spare the file written by hand."""
    (copy / "common_pb2.py").rename(copy / "gone_pb2.py")
    generate(copy)

    assert contents(copy) == contents(STUBS)


def check(stubs: Path) -> tuple[int, list[str]]:
    """Ask whether a folder of stubs is fresh; give the exit code and the lines printed."""
    done = generate(stubs, "--check")
    return done.returncode, done.stdout.splitlines()


def generate(stubs: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the script on a folder of stubs."""
    command = [sys.executable, str(ROOT / "scripts" / "gen_protos.py"), "--stubs", str(stubs), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(stubs: Path) -> dict[str, bytes]:
    """Read a folder of stubs."""
    return {path.name: path.read_bytes() for path in stubs.iterdir() if path.is_file()}
