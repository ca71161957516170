"""O01-O07: more than there is room for, and the end of the process."""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.control import CONTROL
from tests.faults.front.caller import Caller, exchange
from tests.faults.front.conftest import fronted
from tests.faults.front.crowd import Healthy
from tests.faults.front.limits import GATE, setting
from tests.faults.front.load import load, p99
from tests.faults.front.refusals import check_shape
from tests.faults.front.requests import GOOD_BODY, GOOD_REQUEST, chat, head, request
from tests.faults.processes import program
from tests.faults.profile import ALONE, SIZE, SLACK_SECS, count, secs
from tests.faults.report import figure

CAPACITY = 4
TAKES_SECS = 0.16
SCRIPT = b"X-Script: wait %.2f" % TAKES_SECS
SERVICE = request(GOOD_BODY, SCRIPT)
PER_SEC = CAPACITY / TAKES_SECS
"""So few that ten times as many, each of which comes back three times, leave the machine's two cores time to spare."""
READY = head(method="GET", path="/readiness")
TIMES = 10
OFFERED = 0.95
"""The share of the load that callers who are due at one instant, and send one after another, must reach."""
LINE = {"queue_size": CAPACITY, "queue_timeout_secs": TAKES_SECS / 8}
"""Whoever is refused has waited in line for less than a refusal may take; whoever is served is little later for it."""
USUAL_SECS = 8.0 if ALONE else 2.0
LASTING_SECS = secs(60) if ALONE else 2.0
MOST_REFUSAL_SECS = 0.05
LATER_RATIO = 2.0
TENANTS = 20
TENANT_RATIO = 1.5
ERROR = b'data: {"error":'
pytestmark = pytest.mark.skipif(CONTROL and SIZE == "short", reason="the control has no way to end well")


@pytest.mark.parametrize("retries", [pytest.param(0, id="O01-10x"), pytest.param(3, id="O02-10x-and-3-retries")])
def test_ten_times_the_capacity(retries, record_property):
    """Goodput stays, refusals are quick, and all is as before soon after."""
    with fronted(**setting(GATE, limit=CAPACITY, **LINE)) as front:
        usual = load(front.port, PER_SEC * 0.5, USUAL_SECS, [SERVICE])
        before = front.program.ask("rest")["rss_bytes"]
        beyond = load(front.port, PER_SEC * TIMES, LASTING_SECS, [SERVICE], retries=retries)
        peak = front.program.ask()["peak_bytes"]
        back = calm_again(front.port, usual) - beyond.ended_at

    capacity = CAPACITY / statistics.median(usual.served)
    goodput, refusal, later = beyond.goodput / capacity, p99(beyond.refused), beyond.p99 / usual.p99
    asked, times = len(beyond.served) + len(beyond.refused), beyond.per_sec / PER_SEC
    figure(record_property, "F19", "goodput at 10x, share of capacity", goodput, 0.9, over=asked, at_least=True)
    figure(record_property, "F19", "refusal p99 in secs", refusal, MOST_REFUSAL_SECS, over=len(beyond.refused))
    figure(record_property, "F19", "back to normal in secs", back, 5, over=asked)
    figure(record_property, "O01", "p99 of those served, against the usual", later, LATER_RATIO)
    figure(record_property, "O01", "offered load, times capacity", times, TIMES * OFFERED, over=asked, at_least=True)
    assert beyond.lost == 0
    assert not ALONE or times >= TIMES * OFFERED
    assert not ALONE or goodput >= 0.9
    assert not ALONE or refusal <= MOST_REFUSAL_SECS
    assert not ALONE or later <= LATER_RATIO
    assert peak <= 1.5 * before
    assert not ALONE or back <= 5


def calm_again(port, usual):
    """Return when half the capacity was served for half a second as before the overload; nobody refused, p99 2x."""
    while True:
        calm = load(port, PER_SEC * 0.5, 0.5, [SERVICE])
        if not calm.refused and calm.p99 <= 2 * usual.p99:
            return calm.begun_at


def test_o03_one_tenant_at_ten_times_the_capacity(record_property):
    """Of 20 callers, each with its share of the capacity, one asks for ten times all of it: the others are served."""
    share, keys = PER_SEC / TENANTS, [f"sk-{number}" for number in range(TENANTS)]
    greedy, *others = [request(GOOD_BODY, SCRIPT, key=key) for key in keys]
    limits = {
        "per_caller": {"rate_per_sec": share, "burst": int(share)},
        "concurrency": {"limit": CAPACITY, "queue_size": TENANTS, "queue_timeout_secs": 1.0},
    }
    callers = [{"name": key, "api_key": key} for key in keys]
    asked = 0.5 * share * len(others), LASTING_SECS, others
    with fronted(callers=callers, limits=limits) as front, ThreadPoolExecutor(1) as pool:
        alone = load(front.port, *asked)
        flooding = pool.submit(load, front.port, PER_SEC * TIMES, LASTING_SECS + 1, [greedy])
        beside = load(front.port, *asked)
        flood = flooding.result()

    lost, later = 1 - beside.goodput / alone.goodput, beside.p99 / alone.p99
    times = flood.per_sec / PER_SEC
    figure(record_property, "F19", "goodput that 19 tenants lose beside one at 10x, share", lost, 0.05)
    figure(record_property, "O03", "their p99, against alone", later, TENANT_RATIO, over=len(beside.served))
    figure(record_property, "O03", "what the one asks for, times capacity", times, TIMES * OFFERED, at_least=True)
    assert not ALONE or times >= TIMES * OFFERED
    assert not ALONE or lost <= 0.05
    assert not ALONE or later <= TENANT_RATIO
    assert len(flood.served) <= share * (flood.secs + 1)
    assert flood.refused


def streaming(front, number, script):
    """Open so many streams and wait for the first event of each."""
    callers = [Caller(front.port) for _ in range(number)]
    for caller in callers:
        caller.send(request(chat(stream=True), b"X-Script: " + script.encode()))
    for caller in callers:
        while b"data:" not in caller.data and caller.more(5):
            pass
    return callers


def body_of(caller):
    """Read a stream to its end and leave; return its body."""
    with caller:
        got = caller.read(secs(40) + 10, answers=1)
    return got.answers[0].body if got.answers else b"not ended: " + got.rest[-200:]


def test_o04_signal_lets_streams_finish_whole():
    """Not ready at once, all served on for 2 s, every stream that ends within the grace whole, code 0."""
    grace = max(6.0, secs(30))
    number = count(500, 20)
    per_sec = 300 if ALONE else 100
    with fronted(server={"shutdown_grace_period_secs": grace}) as front, Healthy(front.port, per_sec) as healthy:
        callers = streaming(front, number, f"stream 30 100 {grace * 0.5 / 30}")
        signalled = time.monotonic()
        os.kill(front.program.process.pid, signal.SIGTERM)
        time.sleep(0.1)
        ready = exchange(front.port, READY, 2, answers=1)
        bodies = [body_of(caller) for caller in callers]
        code = front.program.process.wait(grace + 5)

    served = [status for at, status in zip(healthy.asked_at, healthy.statuses, strict=True) if at < signalled + 2]
    assert [answer.status for answer in ready.answers] == [503]
    assert set(served) == {200}, "refused before a load balancer could have known"
    assert sum(signalled <= at < signalled + 2 for at in healthy.asked_at) >= per_sec / 2
    assert [body.endswith(b"data: [DONE]\n\n") for body in bodies] == [True] * number
    assert not any(ERROR in body for body in bodies)
    assert code == 0


def test_o05_stream_beyond_the_grace_is_told():
    """One error event and a proper end at the grace, the process gone within 2 s of it."""
    grace = max(2.0, secs(30))
    with fronted(server={"shutdown_grace_period_secs": grace}) as front:
        callers = streaming(front, 5, "stream 0 100 0.05")
        os.kill(front.program.process.pid, signal.SIGTERM)
        begun = time.monotonic()
        bodies = [body_of(caller) for caller in callers]
        code = front.program.process.wait(grace + 5)
        took = time.monotonic() - begun

    assert [body.count(ERROR) for body in bodies] == [1] * 5
    assert [b"[DONE]" in body for body in bodies] == [False] * 5
    assert code == 0
    assert grace * 0.9 <= took <= grace + 2 + SLACK_SECS


def test_o05_second_signal_ends_at_once():
    """Who insists is obeyed within a second."""
    with fronted(server={"shutdown_grace_period_secs": 30.0}) as front:
        callers = streaming(front, 5, "stream 0 100 0.05")
        os.kill(front.program.process.pid, signal.SIGTERM)
        time.sleep(0.3)
        os.kill(front.program.process.pid, signal.SIGTERM)
        begun = time.monotonic()
        front.program.process.wait(10)
        took = time.monotonic() - begun
        for caller in callers:
            caller.socket.close()

    assert took <= 1 + SLACK_SECS


def test_o07_without_descriptors_running_streams_go_on():
    """At the limit of descriptors nobody is cut, and room made is room used, without a restart."""
    with fronted() as front, ExitStack() as held:
        callers = streaming(front, 5, "stream 40 100 0.05")
        used = front.program.ask()["descriptors"]
        resource.prlimit(front.program.process.pid, resource.RLIMIT_NOFILE, (used + 10, used + 10_000))
        crowd = [held.enter_context(Caller(front.port)) for _ in range(20)]
        for caller in crowd:
            caller.send(GOOD_REQUEST)
        got = [caller.read(0.1, answers=1).answers for caller in crowd]
        bodies = [body_of(caller) for caller in callers]
        held.close()
        time.sleep(0.5)
        again = exchange(front.port, GOOD_REQUEST, 5, answers=1)

    answered = [answers[0] for answers in got if answers]
    assert [body.endswith(b"data: [DONE]\n\n") for body in bodies] == [True] * 5
    assert {answer.status for answer in answered} <= {200, 502, 503}
    for answer in answered:
        if answer.status != 200:
            check_shape(answer)
    assert [answer.status for answer in again.answers] == [200]


def test_o07_without_ports_to_connect_from_running_streams_go_on():
    """Who cannot be sent on for want of a port is told 503; nobody else is cut, and ports are used again."""
    command = ["unshare", "-rn", sys.executable, "-m", "tests.faults.front.few_ports"]
    if subprocess.run([*command[:2], "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own is not allowed here")
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout)
    served, refused = ([one for one in told["got"] if (one[0] == 200) is good] for good in (True, False))

    assert served
    assert refused
    assert {tuple(one) for one in refused} == {(503, "no_available_workers")}
    assert told["whole"]
    assert told["again"] == [200]


def test_o07_full_disk_for_logs_stops_nobody():
    """While nothing can be written all are served, streams go on, and what is logged later is written again."""
    with fronted() as front:
        callers = streaming(front, 5, "stream 20 100 0.05")
        with full_disk(front.program.process.pid):
            named = request(GOOD_BODY, b"X-Request-Id: while-full")
            got = [exchange(front.port, named, 5, answers=1) for _ in range(20)]
            bodies = [body_of(caller) for caller in callers]
        exchange(front.port, request(GOOD_BODY, b"X-Request-Id: room-again"), 5, answers=1)
        told = front.program.told_of("room-again"), front.program.told_of("while-full", 0)

    assert [[answer.status for answer in each.answers] for each in got] == [[200]] * 20
    assert [body.endswith(b"data: [DONE]\n\n") for body in bodies] == [True] * 5
    assert [len(lines) for lines in told] == [1, 0]


def test_o07_worker_with_a_tokenizer_joins():
    """No disk has to have room for a tokenizer that an engine sends: its worker is let in, and everybody is served."""
    with fronted() as front, program("tests.faults.proof.backend_process", "grpc") as backends:
        spec = json.dumps({"url": backends.ask()["urls"][0], "runtime_type": "sglang"}).encode()
        with full_disk(front.program.process.pid):
            added = exchange(front.port, request(spec, path="/workers"), 10, answers=1)
            front.program.until(lambda told: told["ready"] == 2, 10)
            got = exchange(front.port, GOOD_REQUEST, 5, answers=1)

    assert [answer.status for answer in added.answers] == [202]
    assert [answer.status for answer in got.answers] == [200]


@contextmanager
def full_disk(pid):
    """Let a process write to no file for the length of the block, as if the disk were full; pipes are no files."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
