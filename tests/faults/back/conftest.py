"""Marks the cases that wait for a mechanism as expected failures, strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.back.waiting import reason

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what waits."""
    for item in items:
        if item.path.is_relative_to(HERE):
            name, _, cell = item.name.partition("[")
            why = reason(cell.removesuffix("]")) or reason(name)
            if why is not None:
                item.add_marker(pytest.mark.xfail(strict=True, reason=why))
