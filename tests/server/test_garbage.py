"""Tests of smg.server.garbage."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys

import pytest

from smg.server.garbage import YOUNG, settle_garbage

ROUNDS = 500
BODIES = f"""
import resource
from smg.server.garbage import keep_freed_memory

def pages() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_freed_memory()
bodies = [b"x" * 300_000 for _ in range(4)]
before = pages()
for _ in range({ROUNDS}):
    bodies = [b"x" * 300_000 for _ in range(4)]
print(pages() - before)
"""


def test_what_was_made_before_is_not_looked_at_again():
    """All that lives is put aside, and cycles made later are still found."""
    before = gc.get_threshold()
    try:
        settle_garbage()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] == YOUNG
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library's allocator is not glibc's")
@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        ({}, True),
        ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False),
        ({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"}, False),
    ],
)
def test_what_held_a_body_is_kept_for_the_next(environment: dict[str, str], *, kept: bool):
    """Of hundreds in a row only the first take fresh pages; what the operator has set is left alone."""
    done = subprocess.run(
        [sys.executable, "-c", BODIES], env={**os.environ, **environment}, check=True, capture_output=True, timeout=60
    )
    assert (int(done.stdout) < ROUNDS) == kept
