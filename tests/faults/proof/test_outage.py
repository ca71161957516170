"""B09: while every worker fails, nobody is asked more than a tenth too often, and refusing costs less than serving.

300 requests a second, open loop. With breakers most are refused at once; so that attempts say something of the retry
budget, the same is done without breakers, where each request reaches a worker.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults.processes import gateway_program, program
from tests.faults.profile import ALONE, SIZE
from tests.faults.proof.callers import at_rate
from tests.faults.report import figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.processes import Program

pytestmark = pytest.mark.usefixtures("unburdened")

RATE = 300
SECS = {"short": 2, "scaled": 12, "full": 60}[SIZE]
MANY = RATE * SECS
WORKERS = 3
UNTIL_OPEN = 5
PROBES_PER_SEC = 2
MOST_RATIO = 1.1
MODES = ("http", "grpc")


@contextmanager
def three_workers(mode: str, *, breakers: bool) -> Iterator[tuple[Program, Program]]:
    """Run three workers, which fail by the name of a request, behind a gateway."""
    defaults = {"breaker": {"disabled": not breakers}}
    with ExitStack() as stack:
        backends = stack.enter_context(program("tests.faults.proof.backend_process", *[mode] * WORKERS))
        workers = [{"url": url, "runtime_type": "sglang"} for url in backends.ask()["urls"]]
        yield backends, stack.enter_context(gateway_program(*workers, worker_defaults=defaults))


def load(gateway: Program, word: str, *statuses: int) -> float:
    """Ask for so long what workers meet with ``word``; return the CPU seconds that the gateway used."""
    before = gateway.ask()
    asyncio.run(at_rate(before["port"], [f"{word}.{number}" for number in range(MANY)], RATE, "m", statuses))
    after = gateway.ask()
    return float(after["cpu_secs"] - before["cpu_secs"])


@pytest.mark.paired
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES, ids=[f"B09-{mode}" for mode in MODES])
def test_retries_stay_within_their_budget(mode, record_property):
    """Each request reaches a worker, and all of them together 1.1 times as many attempts at most."""
    with three_workers(mode, breakers=False) as (backends, gateway):
        load(gateway, "fails", 502)
        attempts = backends.ask()["attempts"]

    figure(record_property, "F07", "attempts / requests in total outage, no breaker", attempts / MANY, 1.1, over=MANY)
    assert MANY <= attempts <= MOST_RATIO * MANY


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES, ids=[f"B09-breakers-{mode}" for mode in MODES])
def test_open_workers_see_only_probes(mode, record_property):
    """Once breakers are open a worker sees two probes a second at most; the gateway needs no more CPU than for work."""
    with three_workers(mode, breakers=True) as (backends, gateway):
        load(gateway, "plain", 200)
        usual, served = load(gateway, "plain", 200), backends.ask()["attempts"]
        outage = load(gateway, "fails", 502, 503)
        attempts = backends.ask()["attempts"] - served

    figure(record_property, "F07", "attempts / requests in total outage", attempts / MANY, MOST_RATIO, over=MANY)
    if ALONE:
        figure(record_property, "B09", "CPU in total outage / in health", outage / usual, 1, over=MANY)
    assert attempts <= WORKERS * (2 * UNTIL_OPEN + PROBES_PER_SEC * SECS)
    assert not ALONE or outage <= usual
