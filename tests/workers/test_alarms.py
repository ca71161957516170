"""Tests of smg.workers.alarms."""

from __future__ import annotations

import asyncio

from smg.workers.alarms import KEPT, Alarm, Alarms


class Timers:
    """A loop's timers, rung by hand.

    Attributes:
        armed: Times at which one rings, and what it calls.
    """

    def __init__(self):
        self.armed = []

    def call_at(self, at, ring):
        """Arm one."""
        self.armed.append((at, ring))
        return asyncio.TimerHandle(at, self.armed.remove, ((at, ring),), asyncio.get_running_loop())

    def ring(self):
        """Let the only one ring."""
        ((_, ring),) = self.armed
        self.armed.clear()
        ring()


class Sleeper:
    """Counts its looks, and answers each as it was told."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.looks = 0

    def look(self):
        """Answer the next."""
        self.looks += 1
        return self.answers.pop(0)


async def test_an_alarm_that_rings_too_early_rings_again():
    """At the time the sleeper says, and not any more once it has nothing to wait for."""
    timers, sleeper = Timers(), Sleeper(9.0, None)
    alarm = Alarm(timers.call_at)

    alarm.set(sleeper, 5.0)
    assert [at for at, _ in timers.armed] == [5.0]
    timers.ring()
    assert [at for at, _ in timers.armed] == [9.0]
    timers.ring()
    assert (timers.armed, sleeper.looks) == ([], 2)


async def test_the_next_sleeper_arms_an_alarm_only_to_be_woken_sooner():
    """Later than it rings anyway costs nothing; and whoever has had it is not woken."""
    timers, first, second = Timers(), Sleeper(), Sleeper(8.0)
    alarm = Alarm(timers.call_at)

    alarm.set(first, 5.0)
    alarm.rest()
    alarm.set(second, 6.0)
    assert [at for at, _ in timers.armed] == [5.0]
    timers.ring()
    assert ([at for at, _ in timers.armed], first.looks, second.looks) == ([8.0], 0, 1)

    handle = alarm._handle
    alarm.set(second, 7.0)
    assert handle is not None
    assert handle.cancelled()
    assert timers.armed[-1][0] == 7.0


async def test_an_alarm_at_rest_rings_once_and_wakes_nobody():
    """It is armed anew by who takes it next."""
    timers, sleeper = Timers(), Sleeper()
    alarm = Alarm(timers.call_at)
    alarm.set(sleeper, 5.0)
    alarm.rest()

    timers.ring()
    assert (timers.armed, sleeper.looks) == ([], 0)
    alarm.set(sleeper, 50.0)
    assert [at for at, _ in timers.armed] == [50.0]


async def test_alarms_are_kept_up_to_a_number_and_none_once_closed():
    """Beyond it they are called off, as all of them are at the end."""
    alarms = Alarms()
    taken = [alarms.take() for _ in range(KEPT + 1)]
    for alarm in taken:
        alarm.set(Sleeper(), asyncio.get_running_loop().time() + 60)
    for alarm in taken[1:]:
        alarms.give_back(alarm)
    alarms.give_back(taken[0])
    assert [alarm._handle is None for alarm in taken] == [True] + [False] * KEPT

    late = alarms.take()
    assert late is taken[-1]
    alarms.close()
    alarms.give_back(late)
    assert all(alarm._handle is None for alarm in taken)
    assert alarms.take() not in taken
