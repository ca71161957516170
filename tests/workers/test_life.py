"""A worker's life moves by its table only."""

from __future__ import annotations

import itertools

import pytest

from smg.core.words import LifeState
from smg.workers.life import MOVES, Life


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(LifeState, 2)))
def test_only_the_moves_of_the_table_are_possible(old: LifeState, new: LifeState) -> None:
    """A legal move has its reason and instant; an illegal one raises and changes nothing."""
    life = Life(old, "before", 1.0)

    if new in MOVES[old]:
        assert life.move(new, "after", 2.0) == Life(new, "after", 2.0)
    else:
        with pytest.raises(ValueError, match="cannot go"):
            life.move(new, "after", 2.0)


@pytest.mark.parametrize("state", LifeState)
def test_staying_changes_the_reason_but_not_the_instant(state: LifeState) -> None:
    """``since`` is when the state began."""
    assert Life(state, "b", 1.0) == Life(state, "a", 1.0).move(state, "b", 9.0)


def test_only_gone_is_final() -> None:
    """Every other state has a way on."""
    assert [state for state in LifeState if not MOVES[state]] == [LifeState.GONE]
