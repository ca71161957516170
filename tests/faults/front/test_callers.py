"""L05, A01, A04, K06: callers with keys of their own."""

from __future__ import annotations

import json
import math
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.front.caller import Caller, exchange
from tests.faults.front.conftest import fronted
from tests.faults.front.crowd import Healthy
from tests.faults.front.load import load, p99
from tests.faults.front.refusals import check_shape
from tests.faults.front.requests import KEY, chat, head, request
from tests.faults.profile import ALONE, count
from tests.faults.report import figure

NUMBER = count(1_000, 200)
CALLERS: list[dict[str, Any]] = [
    {"name": f"caller-{number}", "api_key": f"sk-canary-{number:04}"} for number in range(NUMBER)
]
CALLERS[0]["rate"] = {"rate_per_sec": 2.0, "burst": 5}
KEYS = [caller["api_key"] for caller in CALLERS]
MANY_CALLERS = {"callers": CALLERS, "limits": {"per_caller": {"rate_per_sec": 20.0, "burst": 5}}}
GREEDY_PER_SEC = 20
TURN_SECS = 2.0
ROUNDS = 8 if ALONE else 1
STUDENT = 1.895
"""Quantile of Student's distribution: one side, 95 %, 7 degrees of freedom."""
MOST = 1.05


@pytest.fixture(scope="module")
def callers_front():
    """A gateway that knows many callers, each with a rate that none but the first will meet."""
    with fronted(**MANY_CALLERS) as front:
        yield front


def taking_turns(front, greedy_at):
    """Let the callers who are within their rates take turns while one asks far too often, somewhere.

    Returns:
        The seconds of their answers, and how many of the greedy one's were refused.
    """
    mark, greedy = len(greedy_at.worker.ledger.entries), [request(chat(user="greedy"), key=KEYS[0])]
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(load, greedy_at.port, GREEDY_PER_SEC, TURN_SECS + 0.1, greedy)
        while not greedy_at.worker.ledger.since(mark):
            time.sleep(0.01)
        with Healthy(front.port, 200, [request(key=key) for key in KEYS[1:]]) as healthy:
            time.sleep(TURN_SECS)
    assert healthy.failed == 0
    return healthy.took, len(asking.result().refused)


@pytest.mark.timeout(240)
def test_l05_one_key_at_its_limit_is_not_the_others(callers_front, record_property):
    """Of 1,000 callers one asks ten times too often: it alone is refused, and nobody waits for it.

    What the others have beside it is compared with what they have while it asks another gateway on the same machine.
    """
    begun, refused = time.monotonic(), 0
    beside: list[list[float]] = []
    usual: list[list[float]] = []
    mark = len(callers_front.worker.ledger.entries)
    with fronted(**MANY_CALLERS) as elsewhere:
        for _ in range(ROUNDS):  # in turns, since a machine that others use, too, is slower at times
            for turns, greedy_at in ((usual, elsewhere), (beside, callers_front)):
                took, over = taking_turns(callers_front, greedy_at)
                turns.append(took)
                refused += over
    spent = time.monotonic() - begun
    served = [entry for entry in callers_front.worker.ledger.since(mark) if b"greedy" in entry.received]

    median, later = (shown(statistic, beside, usual) for statistic in (statistics.median, p99))
    over = sum(len(took) for took in beside + usual)
    figure(record_property, "L05", "others' median beside one at its limit, more is unproven", median, MOST, over=over)
    figure(record_property, "L05", "their p99, more is unproven", later, MOST, over=over)
    assert refused >= 2 * ROUNDS * ((GREEDY_PER_SEC - 2) * TURN_SECS - 5)
    assert 5 <= len(served) <= 5 + 2 * spent
    assert not ALONE or max(median, later) <= MOST


def shown(statistic, beside, usual):
    """Return by how much the rounds show, to 95 %, that a statistic is greater beside the one than without.

    It is the lower bound of the mean ratio: the 99th percentiles of two like rounds differ by a third here.
    """
    ratios = [math.log(statistic(one) / statistic(other)) for one, other in zip(beside, usual, strict=True)]
    doubt = STUDENT * statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else 0.0
    return math.exp(statistics.mean(ratios) - doubt)


def test_l05_every_key_is_served_and_the_one_refused_is_told_when(callers_front):
    """All keys pass; beyond its burst the limited one gets 429 and a time, and the record names the caller."""
    with Caller(callers_front.port) as caller:
        caller.send(b"".join(request(key=key) for key in KEYS[1:]))
        answers = caller.read(30, answers=NUMBER - 1).answers
    with Caller(callers_front.port) as limited:
        limited.send(request(chat(), b"X-Request-Id: over", key=KEYS[0]) * 10)
        refused = limited.read(10, answers=10).answers[-1]

    assert [answer.status for answer in answers] == [200] * (NUMBER - 1)
    assert (refused.status, check_shape(refused)["code"]) == (429, "rate_limit_exceeded")
    assert refused.values("retry-after") == ["1"]
    lines = [json.loads(line) for line in callers_front.program.told_of("over")]
    assert {line["caller"] for line in lines} == {"caller-0"}


NOBODYS = {
    "missing": None,
    "empty": "",
    "wrong": "x" * len(KEYS[1]),
    "first-byte-wrong": "x" + KEYS[1][1:],
    "last-byte-wrong": KEYS[1][:-1] + "x",
    "half": KEYS[1][: len(KEYS[1]) // 2],
    "name": "caller-1",
    "two-in-one": f"{KEYS[1]},{KEYS[2]}",
    "long": "x" * 7_000,
}


def test_a01_nobodys_keys_are_refused_alike(callers_front):
    """Whatever is wrong with a key, the answer is the same to the byte, ids and time aside, and quotes nothing."""
    told = set()
    for key in NOBODYS.values():
        got = exchange(callers_front.port, request(chat(), b"X-Request-Id: r", key=key), 3, answers=1)
        assert [answer.status for answer in got.answers] == [401]
        check_shape(got.answers[0])
        kept = [line for line in got.answers[0].raw.split(b"\r\n") if not line.startswith(b"date: ")]
        told.add(b"\r\n".join(kept))

    assert len(told) == 1


@pytest.mark.parametrize("method", [pytest.param(one, id=f"A04-{one}") for one in ("POST", "GET")])
def test_caller_does_not_administer(callers_front, method):
    """A caller's key is 403 at the workers API, without effect; the gateway's own key opens it."""
    body = json.dumps({"url": "http://127.0.0.1:9"}).encode() if method == "POST" else b""
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    before = callers_front.program.ask()["ready"]
    got = exchange(callers_front.port, head(*lines, method=method, path="/workers", key=KEYS[1]) + body, 3, answers=1)
    listed = exchange(callers_front.port, head(method="GET", path="/workers", key=KEY), 3, answers=1)

    assert [answer.status for answer in got.answers] == [403]
    assert check_shape(got.answers[0])["code"] == "forbidden"
    assert [(answer.status, answer.json()["total"]) for answer in listed.answers] == [(200, before)]


@pytest.mark.parametrize("field", [b"Authorization: Bearer ", b"X-Api-Key: "])
def test_k06_key_of_a_caller_stays_here(callers_front, field):
    """No worker sees a caller's key, no log line and no metric holds it."""
    mark = len(callers_front.worker.ledger.entries)
    got = exchange(callers_front.port, request(chat(), field + KEYS[1].encode(), key=None), 3, answers=1)
    metrics = exchange(callers_front.program.ask()["metrics_port"], head(method="GET", path="/metrics"), 3, answers=1)

    assert [answer.status for answer in got.answers] == [200]
    assert [b"canary" in entry.received for entry in callers_front.worker.ledger.since(mark)] == [False]
    assert "canary" not in callers_front.program.errors()
    assert b"canary" not in metrics.answers[0].raw
    assert b"caller-" not in metrics.answers[0].raw
