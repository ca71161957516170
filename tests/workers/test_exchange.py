"""Tests of smg.workers.exchange."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from smg.core.errors import FirstByteTimeoutError, StalledError, UpstreamError
from smg.resilience.settings import ClockSettings
from smg.workers.watch import Watch
from tests.workers.test_lean_answer import CHUNKED, WHOLE, facing, saying

if TYPE_CHECKING:
    from tests.workers.test_lean_answer import Serve

BEGUN = CHUNKED + b"1\r\no\r\n"
CLOCKS = ClockSettings(first_byte_secs=0.5, between_chunks_secs=0.5)


@pytest.mark.parametrize(
    ("serve", "ends"),
    [
        pytest.param(saying(WHOLE), None, id="well"),
        pytest.param(saying(b"nonsense\r\n\r\n"), UpstreamError, id="by an answer that is none"),
        pytest.param(saying(b""), FirstByteTimeoutError, id="by the clock before the head"),
        pytest.param(saying(BEGUN), StalledError, id="by the clock within the body"),
    ],
)
async def test_nothing_is_held_after_it(serve: Serve, ends: type[Exception] | None) -> None:
    """Whatever ends an exchange, its answer is parted from and its line is free; a clock's error is raised."""
    async with facing(serve) as worker:
        seen = None
        try:
            watch = Watch(worker.id, CLOCKS, worker.alarms, stream=False)
            async with worker.exchange("POST", "/", (), b"{}", watch=watch) as answer:
                await answer.read(10)
        except UpstreamError as error:
            seen = type(error)
        assert seen is ends
        assert worker._data is not None
        assert not worker._data.line.used
        assert not worker._data.line.inner.running


async def test_who_leaves_early_frees_it_too() -> None:
    """An error in the block and a cancellation go on as they are."""
    async with facing(saying(BEGUN, BEGUN)) as worker:
        with pytest.raises(ZeroDivisionError):
            async with worker.exchange("POST", "/", (), b"{}"):
                raise ZeroDivisionError
        entered = asyncio.Event()

        async def stay() -> None:
            async with worker.exchange("POST", "/", (), b"{}") as answer:
                entered.set()
                await answer.read(10)

        task = asyncio.get_running_loop().create_task(stay())
        await asyncio.wait_for(entered.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert worker._data is not None
        assert not worker._data.line.used
        assert not worker._data.line.inner.running
