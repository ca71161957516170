"""What limits count with where nobody else does."""

from __future__ import annotations

from smg.resilience.shares import ALONE


def test_each_limit_alone_has_its_own():
    """Two limits share nothing, whatever they are called."""
    one, two = ALONE.places("a"), ALONE.places("a")
    first, second = ALONE.mark("a"), ALONE.mark("a")
    first.move(3.0)

    assert [one.take(1), one.take(1), two.take(1)] == [True, False, True]
    assert (one.held, one.everywhere) == (1, 1)
    assert (first.latest(), first.latest_of_others(), second.latest()) == (3.0, 0.0, 0.0)
    one.give()
    assert one.take(1)


def test_alone_it_is_always_ones_turn():
    """Nobody elsewhere waits, so nobody needs to look."""
    turns = ALONE.turns()
    turns.claim(1.0, now=0.0)

    assert not turns.others_first(2.0, now=0.0)
    assert turns.look_secs is None
