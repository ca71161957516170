"""Tests of smg.workers.grpc_threads."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from smg.workers.grpc_threads import unhurried_threads

if TYPE_CHECKING:
    from collections.abc import Callable

if not hasattr(os, "SCHED_BATCH"):
    pytest.skip("only Linux has kinds of threads", allow_module_level=True)

CALL = """
import asyncio, os
from contextlib import suppress
import grpc
from smg.workers.address import parse_url
from smg.workers.grpc_channel import open_channel
from smg.workers.settings import WorkerDefaults

async def main():
    async with open_channel(parse_url("grpc://127.0.0.1:9"), WorkerDefaults(), None) as channel:
        with suppress(grpc.aio.AioRpcError):
            await channel.unary_unary("/a/b")(b"")
    for thread in os.listdir("/proc/self/task"):
        print(thread == str(os.getpid()), os.sched_getscheduler(int(thread)))

asyncio.run(main())
"""


def on_a_thread(kind: int, work: Callable[[], int]) -> int:
    """Return what ``work`` does on a thread of that kind."""

    def scheduled() -> int:
        os.sched_setscheduler(0, kind, os.sched_param(0))
        return work()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(scheduled).result()


def kind_of_a_new_thread() -> int:
    """Return the kind of a thread that is made now."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(os.sched_getscheduler, 0).result()


def inside() -> int:
    """Return the kind of a thread that is made in the block."""
    with unhurried_threads():
        return kind_of_a_new_thread()


def behind() -> int:
    """Return the kind of the thread that was in the block, which failed."""
    with pytest.raises(ZeroDivisionError), unhurried_threads():
        _ = 1 / 0
    return os.sched_getscheduler(0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(os.SCHED_OTHER, os.SCHED_BATCH), (os.SCHED_BATCH, os.SCHED_BATCH), (os.SCHED_IDLE, os.SCHED_IDLE)],
    ids=["usual", "batch", "idle"],
)
def test_new_threads_wait_for_a_core_unless_the_operator_has_chosen(kind: int, expected: int) -> None:
    """They have their kind from the thread that makes them."""
    assert on_a_thread(kind, inside) == expected


@pytest.mark.parametrize("kind", [os.SCHED_OTHER, os.SCHED_BATCH])
def test_the_thread_itself_stays_of_its_kind(kind: int) -> None:
    """Also where the block failed."""
    assert on_a_thread(kind, behind) == kind


@pytest.mark.parametrize(
    ("call", "error"), [("sched_setscheduler", PermissionError), ("sched_getscheduler", OSError)], ids=["set", "get"]
)
def test_a_system_that_refuses_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, call: str, error: type[OSError]
) -> None:
    """As a sandbox may; musl's C library knows neither call."""
    kind = os.sched_getscheduler

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, call, refuse)
    with unhurried_threads(), ThreadPoolExecutor(1) as executor:
        assert executor.submit(kind, 0).result() == os.SCHED_OTHER


def test_all_of_grpcs_threads_do_so_and_the_loops_does_not() -> None:
    """Those that a channel makes at once, and those that come with its calls."""
    done = subprocess.run([sys.executable, "-c", CALL], check=True, capture_output=True, text=True, timeout=60)
    threads = sorted(done.stdout.splitlines())

    assert threads[-1] == f"True {os.SCHED_OTHER}"
    assert threads[:-1] == [f"False {os.SCHED_BATCH}"] * max(3, len(threads) - 1)
