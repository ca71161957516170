"""Tests of smg.server.garbage."""

from __future__ import annotations

import gc

from smg.server.garbage import YOUNG, settle_garbage


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
