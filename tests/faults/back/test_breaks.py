"""U04-U11: HTTP workers that break off."""

from __future__ import annotations

import pytest

from tests.faults.back.cells import ids, play
from tests.faults.back.u_breaks import CELLS

pytestmark = pytest.mark.paired


@pytest.mark.parametrize("cell", CELLS, ids=ids(CELLS))
async def test_breaks(cell, record_property):
    """An answer that breaks off is made good elsewhere before its first byte, and told after it."""
    await play(cell, record_property)
