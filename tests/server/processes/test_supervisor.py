"""The supervisor, here in the test's own process, over real ones."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from smg.core.errors import ConfigError
from smg.server.processes.supervisor import Supervisor
from smg.server.settings import LogSettings
from tests.e2e.raw import exchange, get
from tests.e2e.settings import settings


def supervisor(workers=(), **server):
    """Return one of two processes, not yet entered."""
    tree = settings(workers, server={"processes": 2, **server})
    return Supervisor(msgspec.structs.replace(tree, log=LogSettings(level="error")))


async def test_it_serves_from_entering_to_leaving():
    """Callers and Prometheus are answered meanwhile, and the ports are free afterwards."""
    async with supervisor() as running:
        alive = await exchange(running.port, get("/health"))
        page = await exchange(running.metrics_port, get("/metrics"))
        assert (alive.status, page.status) == (200, 200)
        assert b'smg_http_requests_total{method="GET",path="/health"} 1.0' in page.body
        assert b"smg_processes 2.0" in page.body
    for port in (running.port, running.metrics_port):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_ports_are_known_once_it_has_started():
    """Before, there is no answer."""
    with pytest.raises(RuntimeError):
        _ = supervisor().metrics_port


async def test_an_unusable_worker_entry_is_named():
    """As where there is one process; none was started."""
    with pytest.raises(ConfigError, match=r"workers\[1\]"):
        async with supervisor(("http://127.0.0.1:9", "http://127.0.0.1:9")):
            pass
