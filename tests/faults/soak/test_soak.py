"""A soak of a few seconds, so that the harness cannot rot."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from tests.faults.soak.field import drawn
from tests.faults.soak.ills import ILLS
from tests.faults.soak.soak import Soak


@pytest.mark.proof
@pytest.mark.beside
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["http-cut"])
async def test_a_short_soak_breaks_no_promise(name):
    """Ten seconds with one fault: every request has one outcome, and every figure but memory's is met."""
    lines: list[str] = []
    figures, wrong = await Soak(1, 30, lines.append, (name,)).run(10)

    assert wrong == []
    assert [str(figure) for figure in figures if not figure.met] == []
    assert len(lines) == 1


def test_faults_are_of_many_kinds_and_befall_whom_they_can():
    """At least twelve kinds; which ones follows from the seed."""
    workers = [type("Worker", (), {"name": name}) for name in ("http0", "http1", "grpc0", "grpc1")]

    def drawing(seed):
        befalls = drawn(random.Random(seed), ILLS, workers)
        return [(name, worker.name) for name, worker in islice(befalls, 3 * len(ILLS))]

    assert len(ILLS) >= 12
    assert {name for name, _ in drawing(1)[: len(ILLS)]} == set(ILLS)
    assert all(worker.startswith(ILLS[name].mode) for name, worker in drawing(1))
    assert drawing(1) == drawing(1) != drawing(2)
