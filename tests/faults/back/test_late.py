"""U14, U15: HTTP workers that are late, silent, or only pretend to live."""

from __future__ import annotations

import pytest

from tests.faults.back.cells import ids, play
from tests.faults.back.u_late import CELLS

pytestmark = pytest.mark.paired


@pytest.mark.parametrize("cell", CELLS, ids=ids(CELLS))
async def test_late(cell, record_property):
    """The caller gets exactly what the catalogue says, and the ledger shows as many attempts."""
    await play(cell, record_property)
