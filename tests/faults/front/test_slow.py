"""C01-C08: callers who are slow, deaf or gone."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.front.caller import Caller, exchange
from tests.faults.front.conftest import fronted
from tests.faults.front.crowd import NOISE_SECS, PER_SEC, Crowd, Healthy, baseline, slowed
from tests.faults.front.limits import GATE, setting
from tests.faults.front.refusals import named
from tests.faults.front.requests import GOOD_BODY, GOOD_REQUEST, chat, head, request
from tests.faults.profile import ALONE, COUNT_FACTOR, KIB, MIB, SIZE, SLACK_SECS, TIME_FACTOR, count, secs
from tests.faults.report import figure

HALF = GOOD_REQUEST[:60]
HEADS = {"no-byte": (b"", b""), "half-a-head": (HALF, b""), "byte-by-byte": (b"", GOOD_REQUEST[:100] * 10)}
HEALTHY_RATIO = 2.0
"""Healthy p99 against its baseline; too few samples and a shared machine say little in the short form."""
ROUNDS = 3 if ALONE else 1
"""A machine that others use, too, holds up one answer in a hundred by itself: the middle one of so many counts."""
HELD_SECS = secs(10) * 0.7
"""How long a whole crowd is held, that is until shortly before the first of it is closed."""
PIECE = max(1, round(10 * TIME_FACTOR))
"""Of a body per turn: 10 bytes a second."""


def crowd_of(full):
    """Return how many slow connections of one kind there are: 1,000 at least, but in the short form."""
    return max(1_000, count(full)) if SIZE != "short" else count(full)


@dataclass(frozen=True)
class Held:
    """What a crowd came to.

    Attributes:
        late_secs: How long after its deadline the last of it was closed.
        healthy: Who asked meanwhile, and ``usual`` with nobody else about.
    """

    late_secs: float
    healthy: Healthy
    usual: Healthy
    number: int


def judge(record, kind, rounds):
    """Note and judge how late the last of each crowd was closed, and what the crowds did to the healthy."""
    late = max(held.late_secs for held in rounds)
    figure(record, "F16", f"{kind}: the last closed after its deadline, secs", late, 2, over=rounds[0].number)
    ratio = statistics.median(slowed(held.healthy, held.usual) for held in rounds)
    what = f"{kind}: healthy p99 less {NOISE_SECS * 1000:.0f} ms of noise, / alone"
    figure(record, "F16", what, ratio, HEALTHY_RATIO, over=sum(len(held.healthy.took) for held in rounds))
    assert not any(held.healthy.failed for held in rounds)
    assert not ALONE or ratio <= HEALTHY_RATIO


def at_rest(front, descriptors):
    """Wait until the gateway holds nothing more than before."""
    front.program.until(lambda told: told["in_flight"] == 0 and told["descriptors"] <= descriptors, 20)


@named("kind", "C01", HEADS)
def test_slow_heads_are_cut_off(front, kind, record_property):
    """Whoever has not sent a head by the deadline is told so or cut; nobody else notices."""
    judge(record_property, kind, [cut_heads(front, *HEADS[kind]) for _ in range(ROUNDS)])


def cut_heads(front, first, slowly):
    """Have a whole crowd send heads slowly."""
    usual = baseline(front.port, HELD_SECS)
    before = front.program.ask("rest")
    with Crowd(front.port, crowd_of(5_000), first, slowly) as crowd:
        with Healthy(front.port, PER_SEC) as healthy:
            crowd.wait(HELD_SECS, every_secs=TIME_FACTOR)
            taken = front.program.ask()["rss_bytes"] - before["rss_bytes"]
        assert not any(member.closed_at for member in crowd.members)
        crowd.wait(secs(12) + SLACK_SECS, every_secs=TIME_FACTOR)

    closed = closed_times(crowd)
    assert min(closed) >= secs(10) * 0.9
    assert max(closed) <= secs(12) + SLACK_SECS
    assert all(member.received[:13] in {b"", b"HTTP/1.1 408 "} for member in crowd.members)
    assert taken <= len(closed) * 16 * KIB + 2 * MIB
    at_rest(front, before["descriptors"] + 2)
    return Held(max(closed) - secs(10), healthy, usual, len(closed))


def test_c02_slow_bodies_are_cut_off(record_property):
    """Bodies at 10 bytes a second are answered 408 in time, and hold no place meanwhile, here or at a worker."""
    with fronted(**setting(GATE, limit=8, queue_size=8, queue_timeout_secs=1.0)) as front:
        judge(record_property, "slow-body", [cut_bodies(front) for _ in range(ROUNDS)])


def cut_bodies(front):
    """Have a whole crowd send bodies slowly."""
    first = head(b"Content-Type: application/json", b"Content-Length: 100000")
    usual = baseline(front.port, HELD_SECS)
    received = front.worker.ledger.received_bytes
    before = front.program.ask("rest")
    with Crowd(front.port, crowd_of(2_000), first, b"{" + b" " * 9_999) as crowd:
        with Healthy(front.port, PER_SEC) as healthy:
            crowd.wait(HELD_SECS, every_secs=TIME_FACTOR, piece=PIECE)
        assert front.worker.ledger.running <= 1
        crowd.wait(secs(12) + SLACK_SECS, every_secs=TIME_FACTOR, piece=PIECE)
    at_rest(front, before["descriptors"] + 2)

    closed = closed_times(crowd)
    assert min(closed) >= secs(10) * 0.9
    assert max(closed) <= secs(12) + SLACK_SECS
    assert {member.received[:13] for member in crowd.members} == {b"HTTP/1.1 408 "}
    assert front.worker.ledger.received_bytes - received <= len(healthy.took) * 2 * KIB
    return Held(max(closed) - secs(10), healthy, usual, len(closed))


def closed_times(crowd):
    """Return when each connection was closed; all must have been."""
    times = [member.closed_at for member in crowd.members]
    assert None not in times
    return [took for took in times if took is not None]


def deaf(port, number, script):
    """Ask so many times with tiny windows, and read nothing."""
    callers = [Caller(port, window=KIB) for _ in range(number)]
    for caller in callers:
        caller.send(request(chat(stream=script.startswith("stream")), b"X-Script: " + script.encode()))
    return callers


SIZES = {"C03-stream-10-mb": ("stream 160 65536 0.25", 1_000), "C04-plain-8-mib": (f"whole {8 * MIB}", 500)}
STALL_SECS = 20.0 if ALONE else secs(10)
"""Not scaled where many are held: to fill a thousand takes seconds, and none may be cut off before the last is full."""
ASKED_SECS = STALL_SECS * 0.2 / ROUNDS


@pytest.mark.parametrize("kind", SIZES)
def test_deaf_callers_hold_little(kind, record_property):
    """Answers nobody takes wait at the worker, not here, and end at the stall limit; others are served meanwhile."""
    script, full = SIZES[kind]
    number = crowd_of(full) if full >= 1_000 else count(full, 40)
    # memory that an earlier crowd has left free would hide what this one takes
    with fronted(server={"write_stall_timeout_secs": STALL_SECS}) as fresh:
        judge(record_property, kind[4:], hold(fresh, script, number))


def hold(front, script, number):
    """Have so many callers take nothing of an answer, and judge what happens until the last is cut off.

    Others ask meanwhile; a few times for a short while, to be judged by the middle one.
    """
    usual = [baseline(front.port, ASKED_SECS) for _ in range(ROUNDS)]
    before = front.program.ask("rest")
    ledger = front.worker.ledger
    mark = len(ledger.entries)
    callers = deaf(front.port, number, script)
    try:
        assert ledger.wait(lambda: len(ledger.since(mark)) == number, 10)
        running = ledger.since(mark)[:number]
        watch = Watch(front, running)
        watch.until(lambda: watch.quiet)
        healthy = [beside(front, watch) for _ in range(ROUNDS)]
        unsent = to_send(front.port)
        all_held = not any(entry.ended for entry in running)
        watch.until(lambda: all(entry.ended for entry in running))
    finally:
        for caller in callers:
            caller.socket.close()

    assert watch.late_secs <= 2, "not cut at all, or not at the stall limit"
    assert all_held or not ALONE, "cut before the last was full"
    assert max(entry.sent for entry in running) <= 4 * MIB, "the worker was not made to wait"
    assert len(unsent) >= number * all_held
    assert max(unsent) <= 256 * KIB, "the kernel holds what the gateway does not"
    assert watch.held - before["rss_bytes"] <= max(300 * MIB * COUNT_FACTOR, number * 300 * KIB + 16 * MIB)
    at_rest(front, before["descriptors"] + 2)
    return [Held(watch.late_secs, *pair, number) for pair in zip(healthy, usual, strict=True)]


def beside(front, watch):
    """Return those who ask for a while beside a crowd."""
    with Healthy(front.port, PER_SEC) as healthy:
        watch.look_on(ASKED_SECS)
    return healthy


def to_send(port):
    """Return what the kernel holds for each caller of a port who has not taken it all."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    ours = [queues.partition(":")[0] for _, local, _, _, queues, *_ in lines if local.endswith(f":{port:04X}")]
    return [int(queue, 16) for queue in ours if int(queue, 16)]


class Watch:
    """When each stream last moved, by the worker's ledger, and the most memory the gateway held meanwhile."""

    def __init__(self, front, running):
        self.held = 0
        self._front, self._running = front, running
        self._moved = {id(entry): (0, time.monotonic()) for entry in running}
        self._deadline = time.monotonic() + 4 * STALL_SECS + 10

    def until(self, holds):
        """Look on until ``holds()``, but not for ever."""
        while not holds() and time.monotonic() < self._deadline:
            self.held = max(self.held, self._front.program.ask()["rss_bytes"])
            self.look_on(0.1)

    def look_on(self, for_secs):
        """Look on without a question to the gateway, which would hold up others for milliseconds."""
        until = time.monotonic() + for_secs
        while (now := time.monotonic()) < until:
            moved = self._moved
            moved |= {id(entry): (entry.sent, now) for entry in self._running if entry.sent != moved[id(entry)][0]}
            time.sleep(0.1)

    @property
    def quiet(self):
        """Nothing has moved for a tenth of the stall limit: all that are held are full."""
        return time.monotonic() - max(moved for _, moved in self._moved.values()) > STALL_SECS * 0.1

    @property
    def late_secs(self):
        """How long after its deadline the last stream was cut; its deadline runs from its last byte."""
        ends = [(one.ended_at or self._deadline + 2 * STALL_SECS) - self._moved[id(one)][1] for one in self._running]
        return max(ends) - STALL_SECS


def test_c06_reset_at_any_byte_leaves_nothing(front):
    """A reset at each offset of an answer: all is given back, and nobody calls it an error."""
    before = front.program.ask("rest")
    sent = request(chat(stream=True), b"X-Script: stream 20 100 0")
    for offset in range(0, 2_048, max(1, int(0.5 / COUNT_FACTOR))):
        with Caller(front.port) as caller:
            caller.send(sent)
            while len(caller.data) < offset and caller.more(2):
                pass
            caller.reset()

    at_rest(front, before["descriptors"] + 2)
    assert front.program.logged("error", "critical") == []


def test_c07_endless_stream_to_the_deaf_ends(front):
    """A caller who stops reading for ever ends its own stream, at both ends."""
    mark = len(front.worker.ledger.entries)
    (caller,) = deaf(front.port, 1, "stream 0 65536 0")
    with caller:
        assert front.worker.ledger.wait(lambda: len(front.worker.ledger.since(mark)) == 1, 5)
        (entry,) = front.worker.ledger.since(mark)
        assert front.worker.ledger.wait(lambda: entry.ended is not None, secs(12) + SLACK_SECS)
        assert caller.read(5).closed

    assert entry.ended == "aborted"


def test_c08_idle_connections_are_closed_in_time(front):
    """Kept-alive connections end at the idle limit, not before, and live requests are served all the while."""
    number = count(10_000, 100)
    with Crowd(front.port, number, GOOD_REQUEST) as crowd, Healthy(front.port, 20) as healthy:
        crowd.wait(secs(75) + 2 * SLACK_SECS)

    closed = closed_times(crowd)
    assert all(member.received.startswith(b"HTTP/1.1 200 ") for member in crowd.members)
    assert min(closed) >= secs(75) * 0.9
    assert healthy.failed == 0


def test_c08_above_the_cap_the_oldest_idle_connection_goes():
    """New callers are let in at the cost of who has been idle longest; who is being served stays."""
    with fronted(server={"max_connections": 20}) as front, Caller(front.port) as busy, Caller(front.port) as oldest:
        busy.send(request(GOOD_BODY, b"X-Script: wait 1"))
        oldest.send(GOOD_REQUEST)
        assert [answer.status for answer in oldest.read(3, answers=1).answers] == [200]
        oldest.data = b""
        with Crowd(front.port, 18, GOOD_REQUEST) as crowd:
            crowd.wait(0.3)
            assert not any(member.closed_at for member in crowd.members)
            got = exchange(front.port, GOOD_REQUEST, 3, answers=1)
            assert oldest.read(3).closed
        answers = busy.read(3, answers=1).answers

    assert [answer.status for answer in got.answers] == [200]
    assert [answer.status for answer in answers] == [200]
