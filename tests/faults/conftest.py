"""What the cases of every group may ask for."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture
def unburdened():
    """Put the test run's own objects aside: to look through them delays callers by more than what is judged."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
