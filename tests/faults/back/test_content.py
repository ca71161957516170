"""U16-U18, U20, U21: HTTP workers whose framing is right and whose content is not."""

from __future__ import annotations

import pytest

from tests.faults.back.cells import ids, play
from tests.faults.back.u_content import CELLS

pytestmark = pytest.mark.paired


@pytest.mark.parametrize("cell", CELLS, ids=ids(CELLS))
async def test_content(cell, record_property):
    """The caller gets exactly what the catalogue says, and the ledger shows as many attempts."""
    await play(cell, record_property)
