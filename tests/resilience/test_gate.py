"""The concurrency gate: never more than the limit run, the line is served in order, nobody's place is lost."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from smg.resilience.gate import Gate, Place, PlaceState
from smg.resilience.settings import GateSettings
from smg.resilience.shares import Places, Turns
from tests.resilience.support import LONG_RUN, MACHINE, STEPS, ManualClock

WAITING, RUNNING, GONE = PlaceState.WAITING, PlaceState.RUNNING, PlaceState.GONE


def gate(limit: int = 1, queue_size: int = 2) -> tuple[Gate, ManualClock]:
    """Return a gate at which one waits ten seconds, and its clock."""
    clock = ManualClock()
    return Gate(GateSettings(limit=limit, queue_size=queue_size, queue_timeout_secs=10.0), clock), clock


def entered(at: Gate) -> Place:
    """Enter where there is room."""
    place = at.enter()
    assert place is not None
    return place


def test_some_run_some_wait_the_rest_is_refused():
    """With one place and a line of two, the fourth is turned away."""
    one, _ = gate()
    full, places = [], []
    for _ in range(4):
        full.append(one.full)
        places.append(one.enter())

    assert full == [False, False, False, True]
    assert [place and place.state for place in places] == [RUNNING, WAITING, WAITING, None]
    assert (one.running, one.waiting) == (1, 2)


def test_without_a_line_who_cannot_run_is_refused():
    """A line of no length takes nobody."""
    one, _ = gate(queue_size=0)
    place = entered(one)

    assert (one.full, one.enter()) == (True, None)
    one.leave(place)
    assert not one.full


def test_the_first_in_line_runs_next():
    """Leaving hands the place over in order of arrival, without a moment in which a newcomer could take it."""
    one, _ = gate()
    first, second, third = (entered(one) for _ in range(3))
    heirs = [one.leave(first), one.leave(second), one.leave(third)]

    assert heirs == [second, third, None]
    assert (one.running, one.waiting) == (0, 0)


def test_who_leaves_the_line_frees_its_place_at_once():
    """A caller that hangs up while waiting makes room for another and never runs."""
    one, _ = gate()
    first, second, third = (entered(one) for _ in range(3))
    one.leave(second)
    fourth = entered(one)
    heir = one.leave(first)

    assert heir is third
    assert (second.state, fourth.state) == (GONE, WAITING)


def test_leaving_twice_is_harmless():
    """Every way out may give the place back."""
    one, _ = gate()
    first, second = entered(one), entered(one)
    heirs = [one.leave(first), one.leave(first)]

    assert heirs == [second, None]
    assert one.running == 1


def test_nobody_is_woken_too_late():
    """A place that is handed over after a deadline goes to the next in line, or is free."""
    one, clock = gate()
    first, late = entered(one), entered(one)
    clock.time += 10
    heir = one.leave(first)

    assert heir is None
    assert (one.running, late.state) == (0, WAITING)
    assert entered(one).state is RUNNING


class Shared:
    """Places and turns of several gates in one process; each gate's part is an index."""

    def __init__(self, gates: int) -> None:
        self.held = [0] * gates
        self.claims: list[float | None] = [None] * gates


class SharedPlaces(Places):
    """One gate's places among all."""

    def __init__(self, shared: Shared, index: int) -> None:
        super().__init__()
        self._shared, self._index = shared, index

    @override
    def take(self, limit: int) -> bool:
        if sum(self._shared.held) >= limit:
            return False
        self._shared.held[self._index] += 1
        return super().take(limit)

    @override
    def give(self) -> None:
        self._shared.held[self._index] -= 1
        super().give()


class SharedTurns(Turns):
    """One gate's claim among all."""

    def __init__(self, shared: Shared, index: int) -> None:
        self._shared, self._index = shared, index

    @override
    def claim(self, deadline: float | None, now: float) -> None:
        self._shared.claims[self._index] = deadline

    @override
    def others_first(self, deadline: float, now: float) -> bool:
        others = [claim for index, claim in enumerate(self._shared.claims) if index != self._index]
        return any(claim is not None and claim < deadline for claim in others)


def gates(limit: int = 1, queue_size: int = 2) -> tuple[Gate, Gate, ManualClock]:
    """Return two gates of one limit, and their clock."""
    clock, shared, settings = (
        ManualClock(),
        Shared(2),
        GateSettings(limit=limit, queue_size=queue_size, queue_timeout_secs=10.0),
    )
    one, two = (Gate(settings, clock, SharedPlaces(shared, at), SharedTurns(shared, at)) for at in (0, 1))
    return one, two, clock


def test_gates_of_one_limit_share_its_places():
    """Who comes to one gate waits for who runs at the other, and finds the place free by looking."""
    one, two, _ = gates()
    first, second = entered(one), entered(two)
    assert (first.state, second.state, two.advance()) == (RUNNING, WAITING, None)
    assert one.leave(first) is None
    assert two.advance() is second
    assert (one.running, two.running, two.waiting) == (0, 1, 0)


def test_who_has_waited_longest_at_any_gate_runs_next():
    """A place that becomes free at one gate is left to an older one at another; nobody overtakes on arrival."""
    one, two, clock = gates()
    first = entered(one)
    clock.time += 1
    older = entered(two)
    clock.time += 1
    younger = entered(one)
    assert one.leave(first) is None
    newcomer = entered(one)
    assert (younger.state, newcomer.state) == (WAITING, WAITING)
    assert two.advance() is older
    assert two.leave(older) is None
    assert one.advance() is younger


def test_who_stops_waiting_gives_up_its_turn():
    """A caller that hangs up, or waits too long, holds up nobody at another gate."""
    one, two, clock = gates()
    first, older = entered(one), entered(two)
    clock.time += 1
    younger = entered(one)
    two.leave(older)
    assert one.leave(first) is younger
    late = entered(two)
    clock.time += 5
    later = entered(one)
    clock.time = late.deadline
    two.leave(late)
    assert one.leave(younger) is later


class GateMachine(RuleBasedStateMachine):
    """Keeps who runs and who waits as plain lists."""

    @initialize(limit=st.integers(1, 4), queue_size=st.integers(0, 5))
    def begin(self, limit, queue_size):
        """A small gate, so that it is often full."""
        self.limit, self.queue_size = limit, queue_size
        self.gate, self.clock = gate(limit, queue_size)
        self.run: list[Place] = []
        self.line: list[Place] = []
        self.gone: list[Place] = []

    @rule(count=st.integers(1, 5))
    def enter(self, count):
        """Several come at once."""
        for _ in range(count):
            place = self.gate.enter()
            if len(self.run) < self.limit:
                assert place is not None
                self.run.append(place)
            elif len(self.line) < self.queue_size:
                assert place is not None
                self.line.append(place)
            else:
                assert place is None

    @precondition(lambda self: self.run)
    @rule(data=st.data())
    def finish(self, data):
        """One that runs leaves; the first in line with time left runs in its stead."""
        place = self.run.pop(data.draw(st.integers(0, len(self.run) - 1)))
        self.gone.append(place)
        expected = next((waiting for waiting in self.line if waiting.deadline > self.clock.time), None)
        assert self.gate.leave(place) is expected
        if expected is not None:
            self.line.remove(expected)
            self.run.append(expected)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def hang_up(self, data):
        """One that waits leaves; nobody is woken for it."""
        place = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        self.gone.append(place)
        assert self.gate.leave(place) is None

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def leave_again(self, data):
        """One that is gone says so again."""
        assert self.gate.leave(data.draw(st.sampled_from(self.gone))) is None

    @rule(step=STEPS, look=st.booleans())
    def wait(self, step, look):
        """Time passes, and sometimes those who have waited too long give up."""
        self.clock.time += step
        if look:
            late = [place for place in self.line if place.deadline <= self.clock.time]
            assert [self.gate.leave(place) for place in late] == [None] * len(late)
            self.line = [place for place in self.line if place not in late]
            self.gone += late

    @invariant()
    def agree(self):
        """Counts are what the lists say, within their limits, and each place knows where it stands."""
        assert self.gate.running == len(self.run) <= self.limit
        assert self.gate.waiting == len(self.line) <= self.queue_size
        for state, places in ((RUNNING, self.run), (WAITING, self.line), (GONE, self.gone)):
            assert all(place.state is state for place in places)

    def teardown(self):
        """When everybody has left, nothing is held."""
        for place in [*getattr(self, "run", []), *getattr(self, "line", [])]:
            heir = self.gate.leave(place)
            while heir is not None:
                heir = self.gate.leave(heir)
        if hasattr(self, "gate"):
            assert (self.gate.running, self.gate.waiting) == (0, 0)


TestGate = GateMachine.TestCase
TestGate.settings = MACHINE
TestGate = LONG_RUN(TestGate)
