"""The command as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_SECS = 30.0


@contextmanager
def smg(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``smg`` for the length of the block at most."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMG_")}
    with subprocess.Popen(
        [sys.executable, "-m", "smg", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment | {"PYTHONIOENCODING": "utf-8", **variables},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Read lines of standard output up to the one that holds ``wanted``, or to the end."""
    assert process.stdout is not None
    lines: list[str] = []
    while not (lines and wanted in lines[-1]) and (line := process.stdout.readline()):
        lines.append(line.rstrip("\n"))
    return lines
