"""G03-G05, G07, G10: what a gRPC worker can answer."""

from __future__ import annotations

import pytest

from tests.faults.back.cells import ids, play
from tests.faults.back.g_cells import CELLS

pytestmark = pytest.mark.paired


@pytest.mark.parametrize("cell", CELLS, ids=ids(CELLS))
async def test_grpc(cell, record_property):
    """The caller gets exactly what the catalogue says, and the ledger shows as many attempts."""
    await play(cell, record_property)
