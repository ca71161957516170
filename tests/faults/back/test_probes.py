"""B17: health endpoints that lie."""

from __future__ import annotations

import pytest

from tests.faults import profile
from tests.faults.back.book import until
from tests.faults.back.facing import facing
from tests.faults.back.http_words import plain
from tests.faults.back.steps import Reset, Send, Silence, Wait

LIES = {
    "B17-503": ((Send(plain(b"", status=503)),), False),
    "B17-redirect": ((Send(plain(b"", "Location: /v1/models", status=302)),), False),
    "B17-huge": ((Send(plain(bytes(10 * profile.MIB))),), True),
    "B17-slow": ((Wait(0.18), Send(plain(b""))), True),
    "B17-silent": ((Silence(),), False),
    "B17-reset": ((Reset(),), False),
}


@pytest.mark.parametrize(("script", "well"), LIES.values(), ids=LIES)
async def test_health_endpoint_lies(script, well):
    """Probes follow one rule: 2xx in time is well, whatever it carries; and one probe at most is on its way."""
    health = {
        "worker_defaults": {"health": {"check_interval_secs": 0.05, "retry_interval_secs": 0.05, "timeout_secs": 0.4}}
    }
    async with facing("http", (), workers=1, **health) as scene:
        backend, worker = scene.backends[0], scene.workers[0]
        backend.health = script
        seen = backend.probes
        await until(lambda: backend.probes >= seen + 4, 10)
        assert (worker.life.state.value == "ready") is well
        assert backend.most_probing <= 1
