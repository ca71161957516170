"""B17: health endpoints that lie; and providers, who have none."""

from __future__ import annotations

import pytest

from smg.workers.spec import read_spec
from tests.faults import profile
from tests.faults.back.book import Book, until
from tests.faults.back.facing import facing, good, ready
from tests.faults.back.http_backend import HttpBackend
from tests.faults.back.http_words import plain
from tests.faults.back.steps import Play, Reset, Send, Silence, Wait
from tests.faults.back.verdicts import refused, whole

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


async def test_a_provider_is_never_probed():
    """Nothing is sent to a provider but requests; its breaker alone puts it out, and its own probe brings it back."""
    often = {"worker_defaults": {"health": {"check_interval_secs": 0.01, "retry_interval_secs": 0.01}}}
    book, play = Book(), Play(((Reset(),),))
    async with facing("http", workers=0, **often) as scene, HttpBackend("provider", book, play) as provider:
        await scene.gateway.registry.add(read_spec({"url": provider.url, "runtime_type": "external"}), "test")
        await ready(scene.gateway, 1)
        for number in range(5):
            refused(await scene.ask(f"ill{number}", stream=False), 502)
        refused(await scene.ask("out", stream=False), 503)
        assert len(book.attempts) == 5
        provider.script = good("http", stream=False)
        [worker] = scene.gateway.registry.fleet.workers.values()
        await until(lambda: worker.available, profile.secs(5) * 1.2 + profile.SLACK_SECS)
        whole(await scene.ask("well", stream=False), stream=False)
        assert (worker.life.state.value, worker.breaker.state.value) == ("ready", "closed")
        assert (provider.probes, provider.connections) == (0, 6)
