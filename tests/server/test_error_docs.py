from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "gen_error_docs.py"


def test_page_of_errors_is_current() -> None:
    """Every code and status in docs/errors.md is that of the error classes."""
    root = SCRIPT.parents[1]
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (told.returncode, told.stderr) == (0, "")
