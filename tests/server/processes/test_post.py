"""One post, and the real processes that stand there."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from smg.core.clock import MonotonicClock
from smg.core.errors import ConfigError
from smg.core.events import ProcessEnded, ProcessStarted, TaskFailed
from smg.server.processes import post as module
from smg.server.processes.board import Table
from smg.server.processes.messages import Begin, Drain, Hurry, Look, Report
from smg.server.processes.post import Post
from smg.server.settings import LogSettings
from tests.e2e.settings import settings
from tests.workers.support import Recorder, until


class Owner:
    """Has processes begin with these settings, and remembers who is gone."""

    def __init__(self, **changes):
        self.settings = msgspec.structs.replace(settings(**changes), log=LogSettings(level="error"))
        self.gone = 0
        self.memory = Table(self.settings)

    @property
    def table(self):
        """Return what all processes share."""
        return self.memory.descriptor

    def begin(self, post):
        """Return what the process begins with."""
        return Begin(number=post.number, settings=self.settings, members=(), healthy=frozenset())

    async def take(self, _post, _message):
        """Answer nothing."""

    def ended(self, _post):
        """Count."""
        self.gone += 1


@asynccontextmanager
async def post(owner):
    """Yield a post that is kept, and who hears of it."""
    heard = Recorder()
    kept = Post(1, owner, MonotonicClock(), heard)
    task = asyncio.get_running_loop().create_task(kept.keep())
    try:
        yield kept, heard
    finally:
        kept.end(Hurry())
        await asyncio.wait_for(task, 15)
        owner.memory.close()


async def test_a_process_serves_and_is_replaced_when_it_dies():
    """Each death is told, and followed by another process, until the post ends."""
    owner = Owner()
    async with post(owner) as (kept, heard):
        await asyncio.wait_for(asyncio.shield(kept.started), 20)
        [first] = heard.of(ProcessStarted)
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: len(heard.of(ProcessStarted)) == 2, 20)
        await until(lambda: kept.peer is not None, 20)
        assert isinstance(await kept.peer.ask(Look(), 20), Report)
        kept.end(Drain())
        await until(lambda: len(heard.of(ProcessEnded)) == 2, 20)

    assert [(event.code, event.wanted) for event in heard.of(ProcessEnded)] == [(-signal.SIGKILL, False), (0, True)]
    assert (owner.gone, kept.peer) == (2, None)


async def test_settings_it_cannot_use_fail_the_first_start(monkeypatch):
    """The reason is told once; then it is tried again, the later the more often it fails."""
    monkeypatch.setattr(module, "FIRST_PAUSE_SECS", 0.2)
    owner = Owner(server={"host": "192.0.2.1", "port": 1})
    begun = time.monotonic()
    async with post(owner) as (kept, heard):
        with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
            await asyncio.wait_for(asyncio.shield(kept.started), 20)
        await until(lambda: len(heard.of(ProcessStarted)) == 3, 20)
        assert time.monotonic() - begun >= 0.2 + 0.4


class Hasty(Recorder):
    """Wants the end as soon as it hears of a process, to which there is no line yet."""

    kept: Post | None = None

    def notify(self, event):
        """End the post."""
        super().notify(event)
        if isinstance(event, ProcessStarted) and self.kept is not None:
            assert self.kept.peer is None
            self.kept.end(Drain())


async def test_a_process_that_is_just_being_made_hears_of_the_end():
    """Whoever wants the end while there is no line yet does not wait for it in vain."""
    owner, heard = Owner(), Hasty()
    heard.kept = Post(1, owner, MonotonicClock(), heard)
    await asyncio.wait_for(heard.kept.keep(), 20)
    owner.memory.close()

    assert [event.code for event in heard.of(ProcessEnded)] == [0]
    with suppress(ChildProcessError):
        await heard.kept.started


async def test_a_process_that_hangs_is_replaced(monkeypatch):
    """Stopped, it says nothing; so it is killed, and another begins."""
    async with post(Owner()) as (kept, heard):
        await asyncio.wait_for(asyncio.shield(kept.started), 20)
        monkeypatch.setattr(module, "SILENT_REPORTS", 3)
        os.kill(heard.of(ProcessStarted)[0].pid, signal.SIGSTOP)
        await until(lambda: heard.of(ProcessEnded) != [], 20)
        monkeypatch.undo()
        await until(lambda: len(heard.of(ProcessStarted)) == 2, 20)

    assert heard.of(ProcessEnded)[0].code == -signal.SIGKILL


async def test_an_interpreter_that_is_not_there_fails_the_start(monkeypatch):
    """What the system says is told."""
    monkeypatch.setattr(sys, "executable", "/not/there")
    async with post(Owner()) as (kept, heard):
        with pytest.raises(FileNotFoundError):
            await asyncio.wait_for(asyncio.shield(kept.started), 20)

    assert heard.of(ProcessStarted) == []


def failing(monkeypatch, module, name, times):
    """Have a function of the system fail so often before it does its work."""
    real, left = getattr(module, name), iter(range(times))

    def call(*args, **options):
        if next(left, None) is not None:
            raise OSError(errno.EMFILE, "too many open files")
        return real(*args, **options)

    monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize(
    ("system", "name", "times"),
    [
        pytest.param(socket, "socketpair", 1, id="no line"),
        pytest.param(asyncio, "create_subprocess_exec", 1_100, id="no process, ever again"),
    ],
)
async def test_a_process_that_cannot_be_made_is_tried_again(monkeypatch, system, name, times):
    """However often that fails: the post stays kept, and what went wrong is told each time."""
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECS", 0.0)
    failing(monkeypatch, system, name, times)
    async with post(Owner()) as (kept, heard):
        with pytest.raises(OSError, match="too many open files"):
            await asyncio.wait_for(asyncio.shield(kept.started), 20)
        await until(lambda: len(heard.of(ProcessStarted)) == 1, 20)

    assert [event.error.errno for event in heard.of(TaskFailed)] == [errno.EMFILE] * times


class Unsure(Owner):
    """Does not know at first what a process begins with."""

    asked = 0

    def begin(self, post):
        """Fail once."""
        self.asked += 1
        if self.asked == 1:
            raise LookupError
        return super().begin(post)


async def test_an_owner_that_fails_ends_one_process_and_not_the_post():
    """A bug in what a process is begun with is told of; the next process begins all the same."""
    async with post(Unsure()) as (kept, heard):
        with suppress(ChildProcessError):
            await asyncio.wait_for(asyncio.shield(kept.started), 20)
        await until(lambda: kept.peer is not None, 20)

    assert [type(event.error) for event in heard.of(TaskFailed)] == [LookupError]
    assert len(heard.of(ProcessStarted)) == 2


async def test_a_process_that_does_not_leave_is_killed(monkeypatch):
    """Its line has ended, but it has not: so it is made to."""
    monkeypatch.setattr(module, "LEAVE_SECS", 0.1)
    process = await asyncio.create_subprocess_exec("sleep", "60")
    assert await module._left(process) == -signal.SIGKILL
    with suppress(ProcessLookupError):
        os.kill(process.pid, 0)
