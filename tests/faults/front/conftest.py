"""One gateway and one recording worker for all quick cases of a process, or the control in the gateway's place."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.faults.control import CONTROL
from tests.faults.front.requests import KEY
from tests.faults.front.worker import Worker
from tests.faults.processes import Program, gateway_program, program
from tests.faults.profile import merged

PATIENT = dict.fromkeys(
    ["connect_secs", "first_byte_secs", "first_token_secs", "between_chunks_secs", "total_secs"], 60.0
)
AROUND = {"server": {"api_key": KEY}, "worker_defaults": {"timeouts": PATIENT}}
"""The clocks of workers are not what is tried here: a worker that waits is a tool of the test."""


@dataclass
class Front:
    """What callers reach, and what stands behind it."""

    port: int
    worker: Worker
    program: Program


@contextmanager
def fronted(*more, worker_tls=None, **changes):
    """Run a front over one recording worker (over TLS where it is given what to serve with) and ``more`` workers."""
    with Worker(worker_tls) as worker:
        if CONTROL:
            with program("tests.faults.control", worker.url) as running:
                yield Front(running.ask()["port"], worker, running)
            return
        spec = {"url": worker.url, "health": {"disable_health_check": True}}
        with gateway_program(spec, *more, **merged(AROUND, changes)) as running:
            yield Front(running.ask()["port"], worker, running)


@pytest.fixture(scope="session")
def shared_front():
    """The gateway (or the control) that all quick cases of this process share."""
    with fronted() as front:
        yield front


@pytest.fixture
def front(shared_front):
    """The shared gateway, known to be alive after the case, too."""
    yield shared_front
    assert shared_front.program.process.poll() is None
