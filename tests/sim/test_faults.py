"""Spelling and choice of faults."""

from __future__ import annotations

import asyncio

import pytest

from smg.sim.faults import (
    Fault,
    FaultHangHeadError,
    FaultResetError,
    Faults,
    FaultStatusError,
    meet,
    parse,
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("delay:0.5", Fault("delay", 0.5)),
        ("status:503", Fault("status", 503)),
        ("reset", Fault("reset")),
        ("cut:3", Fault("cut", 3)),
    ],
)
def test_faults_are_spelt_with_their_value(text, fault) -> None:
    """Kind and value stand on either side of a colon."""
    assert fault == parse(text)


@pytest.mark.parametrize("text", ["", "explode", "reset:1", "delay", "status:x"])
def test_misspelt_fault_is_refused(text) -> None:
    """A fault that does not exist is an error, not no fault."""
    with pytest.raises(ValueError, match=r"fault|invalid"):
        parse(text)


def test_nearest_fault_counts() -> None:
    """The request's own comes first, then armed ones, then its rank's, then everybody's."""
    faults = Faults()
    faults.set("stall")
    faults.set("reset", rank=1)
    faults.arm("status:500")

    assert [faults.of("cut:1", 1), faults.of(None, 1), faults.of(None, 1), faults.of(None, 0)] == [
        Fault("cut", 1),
        Fault("status", 500),
        Fault("reset"),
        Fault("stall"),
    ]
    faults.set(None, rank=1)
    assert faults.of(None, 1) == Fault("stall")
    faults.clear()
    assert faults.of(None, 1) is None


async def test_faults_happen() -> None:
    """Each early fault does its own; those of later tokens do nothing yet."""
    await meet(None)
    await meet(Fault("cut", 1))
    await meet(Fault("delay", 0.001))
    with pytest.raises(FaultStatusError, match="503"):
        await meet(Fault("status", 503))
    with pytest.raises(FaultResetError):
        await meet(Fault("reset"))
    with pytest.raises(FaultHangHeadError):
        await meet(Fault("hang_head"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(meet(Fault("stall")), 0.01)
