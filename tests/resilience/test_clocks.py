"""The five clocks: which run when, which runs out first, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from smg.resilience.clocks import ClockKind, Clocks, Phase, RanOut
from smg.resilience.settings import ClockSettings
from tests.resilience.support import LONG_RUN, MACHINE, STEPS

SETTINGS = ClockSettings(
    connect_secs=1.0, first_byte_secs=5.0, first_token_secs=7.0, between_chunks_secs=3.0, total_secs=60.0
)


def clocks(*, stream: bool = True, total_from: float | None = None) -> Clocks:
    """Return clocks begun at 100."""
    return Clocks(SETTINGS, 100.0, stream=stream, total_from=total_from)


def out(one: Clocks, now: float) -> ClockKind | None:
    """Return which clock has run out."""
    ran_out = one.expired(now)
    return None if ran_out is None else ran_out.clock


def test_a_connection_that_does_not_come():
    """The connect clock runs from the beginning."""
    one = clocks()

    assert one.next_deadline() == 101.0
    assert one.expired(100.9) is None
    assert one.expired(101.5) == RanOut(ClockKind.CONNECT, 1.0, 1.5)


def test_a_worker_that_never_answers():
    """The first-byte clock runs from the request sent, not from the beginning."""
    one = clocks()
    one.sent(100.5)

    assert one.next_deadline() == 105.5
    assert out(one, 105.4) is None
    assert out(one, 105.5) is ClockKind.FIRST_BYTE


def test_a_request_that_is_long_in_sending():
    """Once there is a connection the connect clock is over; the answer is waited for from the last byte on."""
    one = clocks()
    one.sent(100.5)
    one.sent(103.0)
    one.sent(105.0)

    assert out(one, 109.9) is None
    assert out(one, 110.0) is ClockKind.FIRST_BYTE


@pytest.mark.parametrize(
    ("marks", "total_from", "blames"),
    [
        pytest.param((), 100.0, True, id="never answered"),
        pytest.param(("head",), 100.0, True, id="silent"),
        pytest.param(("output",), 100.0, False, id="in the middle of its output"),
        pytest.param(("output", "pause"), 100.0, False, id="its caller is slow"),
        pytest.param(("head",), 70.0, True, id="had half of it"),
        pytest.param(("head",), 69.0, False, id="another had most of it"),
    ],
)
def test_whom_the_total_blames(marks, total_from, blames):
    """A total that is over says something of a worker only if it had the time and made nothing of it."""
    settings = ClockSettings(connect_secs=90.0, first_byte_secs=90.0, first_token_secs=90.0, total_secs=60.0)
    one = Clocks(settings, 100.0, stream=True, total_from=total_from)
    for mark in marks:
        getattr(one, mark)(*(() if mark == "pause" else (100.0,)))
    ran_out = one.expired(total_from + 60.0)

    assert ran_out == RanOut(ClockKind.TOTAL, 60.0, 60.0, blames=blames)


def test_a_stream_that_opens_and_stays_silent():
    """The first-token clock runs from the request sent; neither the head nor comments stop it."""
    one = clocks()
    one.sent(100.0)
    one.head(104.0)
    for now in (105.0, 106.0, 106.9):
        one.alive_at = now

    assert one.next_deadline() == 107.0
    assert out(one, 107.0) is ClockKind.FIRST_TOKEN


def test_a_first_token_clock_shorter_than_the_first_byte_clock_comes_first():
    """Both run while a stream's head is awaited; a whole answer has no first token."""
    settings = ClockSettings(first_byte_secs=600.0, first_token_secs=7.0)
    kinds = []
    for stream in (True, False):
        one = Clocks(settings, 100.0, stream=stream)
        one.sent(100.0)
        kinds.append(out(one, 1000.0))

    assert kinds == [ClockKind.FIRST_TOKEN, ClockKind.FIRST_BYTE]


def test_a_stream_that_goes_silent():
    """Once output flows, silence counts from the last sign of life, a comment included."""
    one = clocks()
    one.sent(100.0)
    one.output(101.0)
    one.alive_at = 103.0
    one.output(105.0)

    assert one.next_deadline() == 108.0
    assert out(one, 107.9) is None
    assert out(one, 108.0) is ClockKind.BETWEEN_CHUNKS


def test_a_body_that_stops():
    """A whole answer's body has begun with its head."""
    one = clocks(stream=False)
    one.sent(100.0)
    one.head(104.0)

    assert out(one, 107.0) is ClockKind.BETWEEN_CHUNKS


def test_comments_count_only_up_to_the_total():
    """A stream kept alive for ever ends at the total."""
    one = clocks()
    one.output(100.5)
    now = 101.0
    while (ran_out := one.expired(now)) is None:
        one.alive_at = now
        now += 1.0

    assert ran_out == RanOut(ClockKind.TOTAL, 60.0, 60.0, blames=False)


def test_a_slow_caller_is_not_the_workers_fault():
    """While the gateway does not read, only the total runs; silence counts anew when it reads again."""
    one = clocks()
    one.resume(100.0)
    one.pause()
    before = one.phase
    one.output(101.0)
    one.pause()
    one.output(102.0)
    paused = one.phase, one.next_deadline()
    one.resume(150.0)

    assert before is Phase.CONNECTING
    assert paused == (Phase.PAUSED, 160.0)
    assert one.next_deadline() == 153.0


def test_the_total_spans_the_tries():
    """A second try has only what the first one left."""
    one = clocks(total_from=41.0)

    assert one.next_deadline() == 101.0
    assert out(clocks(total_from=40.5), 101.0) is ClockKind.TOTAL


def test_an_answer_may_come_early():
    """A head before the request was all sent counts as sent, too; marks that come again change no phase."""
    one = clocks()
    one.head(100.5)
    one.sent(100.9)
    one.head(101.0)

    assert one.phase is Phase.SILENT
    assert one.next_deadline() == 107.5


def test_what_ran_out_is_told():
    """The words name the clock, what it was set to, and what passed."""
    assert str(RanOut(ClockKind.FIRST_TOKEN, 2.5, 2.5004)) == (
        "the first token clock ran out: 2.5 s allowed, 2.500 s elapsed"
    )


@pytest.mark.parametrize("kind", ClockKind)
def test_each_clock_has_a_setting(kind):
    """The setting bears the clock's name."""
    assert getattr(ClockSettings(), f"{kind.value}_secs") > 0


class ClocksMachine(RuleBasedStateMachine):
    """Keeps the marks with their times, and reads the clocks off them."""

    @initialize(stream=st.booleans(), limits=st.lists(st.integers(1, 20), min_size=5, max_size=5))
    def begin(self, stream, limits):
        """Any settings."""
        names = [f"{kind.value}_secs" for kind in ClockKind]
        self.settings = ClockSettings(**{name: float(limit) for name, limit in zip(names, limits, strict=True)})
        self.stream, self.now = stream, 100.0
        self.clocks = Clocks(self.settings, self.now, stream=stream)
        self.sent_at: float | None = None
        self.headed = self.flowing = self.paused = False
        self.alive_at = 0.0

    @rule(mark=st.sampled_from(["sent", "head", "output"]))
    def mark(self, mark):
        """The exchange goes on."""
        getattr(self.clocks, mark)(self.now)
        if self.sent_at is None or (mark == "sent" and not self.headed):
            self.sent_at = self.now
        if mark != "sent":
            fresh, self.headed = not self.headed, True
            begins = (mark == "output" or not self.stream) and not self.flowing
            self.flowing = self.flowing or begins
            if begins or fresh or mark == "output":
                self.alive_at = self.now

    @rule()
    def chunk(self):
        """A comment comes."""
        self.clocks.alive_at = self.now
        self.alive_at = self.now

    @rule(paused=st.booleans())
    def pause(self, paused):
        """The caller becomes slow, or quick again."""
        if paused:
            self.clocks.pause()
            self.paused = self.flowing
        else:
            self.clocks.resume(self.now)
            self.alive_at = self.now if self.paused else self.alive_at
            self.paused = False

    @rule(step=STEPS)
    def wait(self, step):
        """Time passes."""
        self.now += step

    def deadlines(self):
        """Return when each running clock runs out, from the marks alone."""
        found = {ClockKind.TOTAL: 100.0 + self.settings.total_secs}
        if self.sent_at is None:
            found[ClockKind.CONNECT] = 100.0 + self.settings.connect_secs
            return found
        if not self.headed:
            found[ClockKind.FIRST_BYTE] = self.sent_at + self.settings.first_byte_secs
        if self.stream and not self.flowing:
            found[ClockKind.FIRST_TOKEN] = self.sent_at + self.settings.first_token_secs
        if self.flowing and not self.paused:
            found[ClockKind.BETWEEN_CHUNKS] = self.alive_at + self.settings.between_chunks_secs
        return found

    @invariant()
    def agree(self):
        """The first deadline is the first of all, and nothing is said to have run out before it."""
        deadlines = self.deadlines()
        first = min(deadlines.values())
        ran_out = self.clocks.expired(self.now)

        assert self.clocks.next_deadline() == first
        assert (ran_out is not None) == (self.now >= first)
        if ran_out is not None:
            assert deadlines[ran_out.clock] == first
            assert ran_out.elapsed_secs >= ran_out.limit_secs


TestClocks = ClocksMachine.TestCase
TestClocks.settings = MACHINE
TestClocks = LONG_RUN(TestClocks)
