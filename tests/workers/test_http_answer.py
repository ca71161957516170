"""HttpAnswer, whichever way it comes, and which way that is."""

from __future__ import annotations

import pytest

from smg.core.words import WorkerId
from smg.workers.http_answer import Reach
from smg.workers.settings import PoolSettings, ProxySettings, WorkerDefaults

SWITCHED_OFF = WorkerDefaults(pool=PoolSettings(no_fast_lane=True))
PROXIED = WorkerDefaults(proxy=ProxySettings(url="http://127.0.0.1:1"))
MAYBE_PROXIED = WorkerDefaults(proxy=ProxySettings(trust_env=True))


@pytest.mark.parametrize(
    ("url", "settings", "fast"),
    [
        pytest.param("http://127.0.0.1:1", WorkerDefaults(), True, id="plain"),
        pytest.param("https://127.0.0.1:1", WorkerDefaults(), False, id="tls"),
        pytest.param("http://127.0.0.1:1", PROXIED, False, id="proxied"),
        pytest.param("http://127.0.0.1:1", MAYBE_PROXIED, False, id="maybe-proxied"),
        pytest.param("http://127.0.0.1:1", SWITCHED_OFF, False, id="switched-off"),
    ],
)
def test_plain_exchanges_are_our_own_unless_switched_off(url: str, settings: WorkerDefaults, fast: bool) -> None:
    """What needs TLS, may need a proxy, or is not to be ours, is aiohttp's."""
    assert Reach(WorkerId("w"), url, settings, None).fast_lane is fast
