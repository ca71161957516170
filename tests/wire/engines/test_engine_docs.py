"""The page on engines says what the dialects do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "gen_engine_docs.py"


def test_tables_of_engines_are_current() -> None:
    """What each engine carries and how its own server answers stands in docs/engines.md as in the dialects."""
    root = SCRIPT.parents[1]
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (told.returncode, told.stderr) == (0, "")
