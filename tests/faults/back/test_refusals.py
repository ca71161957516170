"""U23, U24: HTTP workers that refuse, in all the ways a status can."""

from __future__ import annotations

import pytest

from tests.faults.back.cells import ids, play
from tests.faults.back.u_refusals import CELLS

pytestmark = pytest.mark.paired


@pytest.mark.parametrize("cell", CELLS, ids=ids(CELLS))
async def test_refusals(cell, record_property):
    """The caller gets exactly what the catalogue says, and the ledger shows as many attempts."""
    await play(cell, record_property)
