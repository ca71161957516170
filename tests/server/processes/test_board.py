"""The numbers that all processes' limits count with."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from smg.core.words import WorkerId
from smg.middleware.settings import CallerSettings
from smg.resilience.bucket import TokenBucket
from smg.resilience.settings import BucketSettings
from smg.server.processes.board import STALE_SECS, Board, Table
from smg.server.schema import Settings
from smg.server.settings import ServerSettings
from smg.workers.settings import WorkerDefaults
from tests.server.processes import hammer
from tests.workers.support import SetClock

SETTINGS = Settings(
    server=ServerSettings(processes=3),
    callers=(CallerSettings(name="alice", api_key="a"), CallerSettings(name="bob", api_key="b")),
    worker_defaults=WorkerDefaults(max_workers=5),
)


@contextmanager
def boards():
    """Yield a board for each of three processes, and their table."""
    table = Table(SETTINGS)
    try:
        yield [Board(Table(SETTINGS, table.descriptor), row) for row in range(3)], table
    finally:
        table.close()


def test_places_are_counted_together():
    """Nobody takes more than there are, whoever has them; each gives back its own."""
    with boards() as (all_of_them, _):
        one, two, three = (board.places("concurrency") for board in all_of_them)
        assert [one.take(3), one.take(3), two.take(3), two.take(3), three.take(3)] == [True, True, True, False, False]
        one.give()
        assert three.take(3)
        assert [each.held for each in (one, two, three)] == [1, 1, 1]
        assert {each.everywhere for each in (one, two, three)} == {3}


def test_each_limit_has_its_own_numbers():
    """Workers by their seats, callers by their names; none disturbs another."""
    with boards() as ([one, two, _], _table):
        for seat, name in enumerate(("w1", "w2")):
            for board in (one, two):
                board.seat(WorkerId(name), seat)
        one.places("w1").take(9)
        two.places("w2").take(9)
        one.mark("caller:alice").move(5.0)
        one.unseat(WorkerId("w1"))

        assert two.places("w1").everywhere == two.places("w2").everywhere == 1
        assert two.places("concurrency").everywhere == 0
        assert [two.mark(name).latest() for name in ("rate", "caller:alice", "caller:bob")] == [0.0, 5.0, 0.0]
        with pytest.raises(KeyError):
            one.places("w1")


def test_the_latest_instant_is_the_instant():
    """Everybody sees what anybody moved it to; of others one's own is no part."""
    with boards() as ([one, two, _], _table):
        one.mark("rate").move(7.0)
        two.mark("rate").move(3.0)

        assert (two.mark("rate").latest(), two.mark("rate").latest_of_others()) == (7.0, 7.0)
        assert (one.mark("rate").latest(), one.mark("rate").latest_of_others()) == (7.0, 3.0)


def test_who_has_waited_longest_is_first():
    """A claim counts against those that wait until later, and only while it is kept up."""
    with boards() as ([one, two, three], _table):
        one.turns().claim(deadline=10.0, now=1.0)
        two.turns().claim(deadline=None, now=1.0)

        assert three.turns().others_first(11.0, now=1.0)
        assert not three.turns().others_first(9.0, now=1.0)
        assert not one.turns().others_first(11.0, now=1.0)
        assert not three.turns().others_first(11.0, now=1.0 + STALE_SECS)


def test_what_a_dead_process_held_is_free_again():
    """Its places and its claim go, others' stay; what was taken of rates stays taken."""
    with boards() as ([one, two, _], table):
        two.seat(WorkerId("w"), 4 + 1024)
        for board in (one, two):
            board.places("concurrency").take(9)
        two.places("w").take(9)
        two.turns().claim(5.0, now=1.0)
        two.mark("rate").move(7.0)
        table.clear(1)

        assert one.places("concurrency").everywhere == 1
        assert two.places("w").everywhere == 0
        assert not one.turns().others_first(6.0, now=1.0)
        assert one.mark("rate").latest() == 7.0


def test_one_bucket_is_shared():
    """Three with one bucket take what one could, and are told the same time to come back."""
    with boards() as (all_of_them, _):
        clock = SetClock()
        clock.secs = 100.0
        settings = BucketSettings(rate_per_sec=10, burst=5)
        buckets = [TokenBucket(settings, clock, board.mark("rate")) for board in all_of_them]
        taken = sum(bucket.take() for _ in range(5) for bucket in buckets)
        assert taken == 5
        assert [bucket.retry_after_secs() for bucket in buckets] == [pytest.approx(0.1)] * 3
        for _ in range(100):
            clock.secs += 0.01
            taken += sum(bucket.take() for bucket in buckets)

        assert taken == 15


def test_who_takes_in_the_same_moment_takes_two():
    """A token that another took between one's look and one's own is not taken for one's own."""
    with boards() as ([one, two, _], _table):
        clock, settings = SetClock(), BucketSettings(rate_per_sec=10, burst=5)
        clock.secs = 100.0
        mine, theirs = one.mark("rate"), two.mark("rate")
        first, second = TokenBucket(settings, clock, mine), TokenBucket(settings, clock, theirs)
        look, once = mine.latest, iter([True])

        def looked():
            seen = look()
            if next(once, False):
                assert second.take()
            return seen

        mine.latest = looked
        assert first.take()

        assert mine.latest() == pytest.approx(100.2)


def line_of(process):
    """Return the next line a process says."""
    return process.stdout.readline()


def go(process):
    """Have a process begin."""
    process.stdin.write("go\n")
    process.stdin.flush()


def test_processes_that_hammer_one_limit_keep_it():
    """At the worst of contention the rate is exceeded by next to nothing, and every place is given back."""
    table = Table(hammer.SETTINGS)
    command = [sys.executable, "-m", "tests.server.processes.hammer", str(table.descriptor)]
    start = partial(subprocess.Popen, stdin=-1, stdout=-1, pass_fds=(table.descriptor,), text=True)
    with ExitStack() as stack:
        stack.callback(table.close)
        running = [stack.enter_context(start([*command, str(row)])) for row in range(3)]
        for process in running:
            assert line_of(process) == "ready\n"
        for process in running:
            go(process)
        told = [json.loads(line_of(process)) for process in running]
        together = Board(Table(hammer.SETTINGS, table.descriptor), 0).places("concurrency").everywhere

    allowed = hammer.BUCKET.rate_per_sec * hammer.SECS + hammer.BUCKET.burst
    assert allowed * 0.5 <= sum(each["tokens"] for each in told) <= allowed * 1.1
    assert all(each["places"] > 0 and each["held"] == 0 for each in told)
    assert together == 0


def test_the_memory_is_handed_over_by_its_descriptor():
    """It has no name that anybody else could open, and lives as long as somebody sees it."""
    with boards() as ([one, two, _], table):
        assert Path(f"/proc/self/fd/{table.descriptor}").readlink().as_posix().startswith("/memfd:")
        one.places("concurrency").take(1)
        assert two.places("concurrency").everywhere == 1
