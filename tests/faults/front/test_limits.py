"""L01-L09: what all callers together may ask for; L05 stands with the callers."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

import pytest

from tests.faults.front.caller import Caller, exchange
from tests.faults.front.conftest import fronted
from tests.faults.front.limits import GATE, RATE, setting
from tests.faults.front.requests import GOOD_BODY, GOOD_REQUEST, chat, head, request
from tests.faults.profile import MIB, at_most, count

WAITING = request(GOOD_BODY, b"X-Script: wait 0.5")


def statuses(port, number):
    """Ask so many times on one connection; return the answers."""
    with Caller(port) as caller:
        caller.send(GOOD_REQUEST * number)
        return caller.read(10, answers=number).answers


def test_l01_bucket_lets_its_burst_through_and_says_when_to_come_back():
    """Burst 20 at 10 a second: 20 to 30 of 1,000 pass within a second, and coming back in time is served."""
    with fronted(**setting(RATE, rate_per_sec=10.0, burst=20)) as front:
        begun = time.monotonic()
        answers = statuses(front.port, count(1_000, 100))
        passed = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status == 429]
        assert 20 <= len(passed) <= 30 + 10 * int(time.monotonic() - begun)
        assert len(passed) + len(refused) == len(answers)
        assert {answer.json()["error"]["code"] for answer in refused} == {"rate_limit_exceeded"}
        waits = [int(answer.values("retry-after")[0]) for answer in refused]
        assert set(waits) == {1}
        assert len(front.worker.ledger.entries) == len(passed)
        time.sleep(waits[-1])
        assert [answer.status for answer in statuses(front.port, 10)] == [200] * 10


def test_l02_rate_0_refuses_everything():
    """Zero means nobody."""
    with fronted(**setting(RATE, rate_per_sec=0.0, burst=1)) as front:
        assert {answer.status for answer in statuses(front.port, 10)} == {429}
        assert front.worker.ledger.entries == []


MADE_UP = {
    "key": lambda word: request(key=word),
    "path": lambda word: request(path=f"/v1/{word}"),
    "worker": lambda word: head(method="GET", path=f"/workers/{word}"),
    "model": lambda word: request(chat(model=word)),
    "method": lambda word: head(method=word.replace("-", "").upper()),
    "request-id": lambda word: request(GOOD_BODY, b"X-Request-Id: " + word.encode()),
}


@pytest.mark.beside
@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"L08-{kind}") for kind in MADE_UP])
def test_what_callers_make_up_is_not_kept(front, kind):
    """A thousand words of a caller's own become neither series of the metrics nor memory."""
    ask = MADE_UP[kind]
    for word in ("word-x", "word-x1"):
        exchange(front.port, ask(word), 3, answers=1)
    page = head(method="GET", path="/metrics")
    before = (series(front, page), front.program.ask("rest")["rss_bytes"])
    for number in range(count(100_000, 300)):
        exchange(front.port, ask(f"word-{'x' * (number % 7)}{number}"), 3, answers=1)

    assert series(front, page) == before[0]
    assert front.program.ask("rest")["rss_bytes"] - before[1] <= 10 * MIB


def series(front, page):
    """Return how many series the metrics have."""
    told = exchange(front.program.ask()["metrics_port"], page, 3, answers=1).answers[0].body
    return sum(not line.startswith(b"#") for line in told.splitlines())


PHASES = ("queued", "connecting", "before-headers", "mid-stream", "last-chunk")


@pytest.mark.parametrize("phase", [pytest.param(phase, id=f"L06-{phase}") for phase in PHASES])
def test_permit_comes_back_whenever_the_caller_leaves(phase):
    """One at a time: whoever leaves, at whatever phase, lets the next in within 250 ms."""
    with fronted(**setting(GATE, limit=1, queue_size=10, queue_timeout_secs=10.0)) as front:
        with Caller(front.port) as running:
            running.send(WAITING)
            time.sleep(0.1)
            assert exchange(front.port, GOOD_REQUEST, 3, answers=1).secs >= 0.2, "there is no limit"
        for turn in range(count(2_000 // len(PHASES), 5)):
            with ExitStack() as held:
                leave(front.port, phase, random.Random(turn), held)
            begun = time.monotonic()
            got = exchange(front.port, GOOD_REQUEST, 3, answers=1)
            assert [answer.status for answer in got.answers] == [200]
            assert time.monotonic() - begun <= at_most(0.25)
        front.program.until(lambda told: told["in_flight"] == 0, 2)


def leave(port, phase, rng, held):
    """Begin a request and reset it in this phase."""
    if phase == "queued":
        held.enter_context(Caller(port)).send(WAITING)
    caller = Caller(port)
    script = {"mid-stream": b"stream 0 100 0.01", "last-chunk": b"stream 1 100 0"}.get(phase, b"wait 5")
    caller.send(request(chat(stream=phase in {"mid-stream", "last-chunk"}), b"X-Script: " + script))
    if phase in {"mid-stream", "last-chunk"}:
        wanted = b"data:" if phase == "mid-stream" else b"[DONE]"
        while wanted not in caller.data and caller.more(2):
            pass
    elif phase == "before-headers":
        time.sleep(0.02 + rng.random() * 0.03)
    elif phase == "connecting":
        time.sleep(rng.random() * 0.005)
    caller.reset()


def test_l09_full_queue_refuses_at_once_and_frees_places():
    """Beyond the queue: 503 within 20 ms, with a time to come back; who leaves the queue is never sent on."""
    with fronted(**setting(GATE, limit=1, queue_size=2, queue_timeout_secs=10.0)) as front, ExitStack() as held:
        running, first, second = (held.enter_context(Caller(front.port)) for _ in range(3))
        running.send(request(GOOD_BODY, b"X-Script: wait 1"))
        front.worker.ledger.wait(lambda: len(front.worker.ledger.entries) == 1, 3)
        first.send(request(GOOD_BODY, b"X-Request-Id: first"))
        second.send(request(GOOD_BODY, b"X-Request-Id: second"))
        time.sleep(0.1)
        refused = [exchange(front.port, GOOD_REQUEST, 3, answers=1) for _ in range(10)]
        assert [[answer.status for answer in got.answers] for got in refused] == [[503]] * 10
        assert all(got.answers[0].values("retry-after") for got in refused)
        assert max(got.secs for got in refused) <= at_most(0.02)
        first.reset()
        time.sleep(0.1)
        third = held.enter_context(Caller(front.port))
        third.send(GOOD_REQUEST)
        assert [answer.status for answer in third.read(5, answers=1).answers] == [200]
        assert [answer.status for answer in second.read(5, answers=1).answers] == [200]
        assert front.worker.ledger.of("first") == []
