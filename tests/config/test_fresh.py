"""The documentation of the settings is the one that the schema makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from smg.config.flags import FLAGS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "configuration.md"


def test_page_is_fresh():
    """Whoever changes a setting makes the page again: scripts/gen_config_docs.py."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "gen_config_docs.py", "--check"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert done.stderr == ""
    assert done.returncode == 0


def test_page_names_every_flag_and_variable():
    """What can be set can be looked up."""
    text = PAGE.read_text(encoding="utf-8")

    assert [flag.name for flag in FLAGS if f"`{flag.name}`" not in text or f"`{flag.variable}`" not in text] == []
