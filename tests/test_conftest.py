"""Tests of the detector that guards all other tests."""

from __future__ import annotations

from typing import Any

import pytest
from blockbuster import BlockingError


async def test_a_blocking_call_in_the_gateway_is_found():
    """A sleep in a coroutine of the package raises instead of stalling the loop."""
    from smg.core import clock

    source = "import time\nasync def stall():\n    time.sleep(0.001)\n"
    scope: dict[str, Any] = {}
    exec(compile(source, clock.__file__, "exec"), scope)

    with pytest.raises(BlockingError):
        await scope["stall"]()
