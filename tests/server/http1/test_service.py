from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.server.http1.front import LIMITS


@pytest.mark.parametrize("name", ["head_secs", "body_idle_secs", "body_grace_secs", "stall_secs", "idle_secs"])
def test_every_deadline_can_be_the_shortest(name: Any) -> None:
    """The sweep must be quick enough for each."""
    shortest: Any = {name: 0.01}

    assert replace(LIMITS, **shortest).shortest_secs == 0.01
