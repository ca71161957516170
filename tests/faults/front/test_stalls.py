"""J02, J12: hostile bodies do not stall the loop for others."""

from __future__ import annotations

import threading
import time

import pytest

from tests.faults.front.caller import exchange
from tests.faults.front.crowd import Healthy, baseline
from tests.faults.front.requests import GOOD_BODY, request
from tests.faults.front.test_slow import NOISE_RATIO
from tests.faults.profile import MIB, SIZE
from tests.faults.report import figure

BEFORE = GOOD_BODY[:-1] + b', "x": '
MOST_LAG_SECS = {"short": 0.4, "scaled": 0.05, "full": 0.05}[SIZE]
"""The short form shares its two cores with other tests, and only shows that no stall is gross."""


def keys(size: int) -> bytes:
    """Return an object of many keys."""
    return b"{" + b",".join(b'"k%d":1' % number for number in range(size // 12)) + b"}"


BODIES = {
    "empty-objects": b"[" + b",".join([b"{}"] * 1_500_000) + b"]",
    "integers": b"[" + b",".join([b"1"] * 2_500_000) + b"]",
    "one-string": b'"' + b"x" * (8 * MIB - 200) + b'"',
    "keys": keys(7 * MIB),
    "escapes": b'"' + b"\\u0041" * 1_200_000 + b'"',
    "nested": b"[" * 60 + b",".join([b"[[]]"] * 900_000) + b"]" * 60,
}


@pytest.mark.parametrize("name", [pytest.param(name, id=f"J12-{name}") for name in BODIES])
def test_hostile_bodies_do_not_stall_others(front, name, record_property):
    """Four at once: 400 or 200, the loop goes on, and so does everybody else."""
    sent = request(BEFORE + BODIES[name] + b"}")
    usual = baseline(front.port, 0.5)
    front.program.ask()
    answers = []
    with Healthy(front.port) as healthy:
        threads = [
            threading.Thread(target=lambda: answers.append(exchange(front.port, sent, 10, answers=1))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        time.sleep(0.2)
    lag = front.program.ask()["lag"]

    figure(record_property, "F18", f"{name}, longest stall in secs", lag["max"], MOST_LAG_SECS)
    assert [got.answers[0].status in {200, 400} for got in answers] == [True] * 4
    assert lag["max"] <= MOST_LAG_SECS
    assert healthy.failed == 0
    if SIZE != "short":
        assert healthy.p99 <= NOISE_RATIO * max(usual, 0.02)


def test_j02_depth_is_judged_within_100_ms(front):
    """100,000 levels are refused at once."""
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        body = BEFORE + opened * 100_000 + b"1" + closed * 100_000 + b"}"
        got = exchange(front.port, request(body), 5, answers=1)

        assert [answer.status for answer in got.answers] == [400]
        assert got.secs <= 0.1 if SIZE != "short" else 0.3
        assert got.answers[0].values("server") == []
