"""Each target in its short form: the same inputs every time, about 2 s."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.fuzz import blind
from tests.fuzz.target import CUTS, Cut, seed
from tests.fuzz.targets import TARGETS

SEED = 12


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_fails(name):
    """Seeds, and what becomes of them when they are bent at random, are read as they must be."""
    target = TARGETS[name]
    for data in islice(blind.inputs(target, SEED), target.runs):
        target.run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_follow_from_the_seed(name):
    """What failed once fails again."""
    one, other, third = (list(islice(blind.inputs(TARGETS[name], number), 200)) for number in (1, 1, 2))

    assert one == other
    assert one != third


@pytest.mark.parametrize("places", [b"\xff\x80\x20", bytes(CUTS), b"\xff\xff\xff", b"\x01\x01\x01"])
def test_an_input_is_cut_without_loss(places):
    """However an input is cut, the pieces are all of it and none is empty."""
    cut = Cut.of(seed(b"some bytes of a stream", 3, places))

    assert (cut.flags, cut.whole) == (3, b"some bytes of a stream")
    assert all(cut.pieces)
