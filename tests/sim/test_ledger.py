"""What an engine remembers."""

from __future__ import annotations

import asyncio

import pytest

from smg.core.clock import MonotonicClock
from smg.sim.ledger import Ledger
from smg.sim.settings import EngineSettings


def small() -> Ledger:
    """Return a ledger of three requests and four bytes each."""
    return Ledger(EngineSettings(ledger_size=3, ledger_body_bytes=4), MonotonicClock())


def test_end_is_told_by_how_the_block_is_left() -> None:
    """Leaving normally is an end, an exception a failure, cancellation an abort."""
    ledger = small()
    with ledger.track("a", "/x", (), b"123456"):
        assert ledger.totals.open == 1
    with pytest.raises(ValueError, match="broken"), ledger.track("b", "/x", (), b""):
        raise ValueError("broken")
    with pytest.raises(asyncio.CancelledError), ledger.track("c", "/x", (), b""):
        raise asyncio.CancelledError

    assert [one.ended for one in ledger.records] == ["finished", "failed", "aborted"]
    assert ledger.records[0].body == b"1234"
    assert ledger.totals.open == 0


def test_memory_is_bounded_and_totals_are_not() -> None:
    """Only the last requests are kept, all are counted."""
    ledger = small()
    for number in range(5):
        with ledger.track(str(number), "/x", (), b""):
            pass

    assert [one.request_id for one in ledger.records] == ["2", "3", "4"]
    assert ledger.find("0") is None
    assert ledger.find("4") is ledger.last
    assert ledger.totals.finished == 5


async def test_waiting_for_a_fact() -> None:
    """Who waits is woken when the fact holds, and not kept for ever when it does not."""
    ledger = small()
    async with asyncio.TaskGroup() as group:
        waiter = group.create_task(ledger.until(lambda one: one.totals.finished == 1))
        await asyncio.sleep(0)
        with ledger.track("a", "/x", (), b""):
            pass

    assert waiter.done()
    with pytest.raises(TimeoutError):
        await ledger.until(lambda one: one.totals.failed == 1, timeout_secs=0.01)
