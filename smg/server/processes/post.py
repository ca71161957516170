"""One numbered post, and the process that stands there; when it dies, another takes its place."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Protocol

from smg.core.errors import ConfigError
from smg.core.events import ProcessEnded, ProcessStarted, TaskFailed
from smg.core.tasks import Tasks
from smg.server.processes.messages import REPORT_SECS, Failed, Listening
from smg.server.processes.peer import Peer

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from smg.core.clock import Clock
    from smg.core.observers import Observer
    from smg.server.processes.messages import AnyMessage, Begin

YOUNG_SECS = 10.0
FIRST_PAUSE_SECS = 0.5
LONGEST_PAUSE_SECS = 10.0
SILENT_REPORTS = 30
LEAVE_SECS = 5.0
"""For a process whose line has ended to be gone."""


class Owner(Protocol):
    """Who keeps the posts."""

    @property
    def table(self) -> int:
        """Descriptor of the memory that all processes share."""
        ...

    def begin(self, post: Post) -> Begin:
        """Return what a new process at ``post`` is to know."""
        ...

    async def take(self, post: Post, message: AnyMessage) -> AnyMessage | None:
        """Take what the process at ``post`` says; return the answer if that is a question."""
        ...

    def ended(self, post: Post) -> None:
        """Take note that the process at ``post`` is gone."""
        ...


class Post:
    """Keeps one process running.

    Attributes:
        number: 1 to the number of processes.
        peer: The line to the process that stands here; None while there is none.
        ready: Set once the first process could accept callers.
        started: Done once it does; failed if it cannot.
    """

    def __init__(self, number: int, owner: Owner, clock: Clock, observer: Observer) -> None:
        self.number = number
        self.peer: Peer | None = None
        self.ready = asyncio.Event()
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._clock = clock
        self._observer = observer
        self._ending = asyncio.Event()
        self._word: AnyMessage | None = None
        self._silence = 0

    async def keep(self) -> None:
        """Have a process here until ``end``; one that dies young again and again is replaced ever later."""
        pause = 0.0
        while not self._ending.is_set():
            begun = self._clock.now()
            await self._try()
            young = self._clock.now() - begun < YOUNG_SECS
            pause = min(max(pause * 2, FIRST_PAUSE_SECS), LONGEST_PAUSE_SECS) if young else 0.0
            if young:
                await self._pause(pause)

    def end(self, word: AnyMessage) -> None:
        """Have the process end as ``word`` says, and no other begin."""
        self._word = word
        self._ending.set()
        if self.peer is not None:
            self.peer.tell(word)

    async def _try(self) -> None:
        """Have one process live here; whatever goes wrong is told of, and others follow all the same."""
        try:
            await self._life()
        except Exception as error:  # noqa: BLE001  (nobody further out could go on)
            self._observer.notify(TaskFailed(f"process:{self.number}", error))
            self._over(error)

    async def _life(self) -> None:
        """Start a process and wait for its end, which is the end of the line to it."""
        process, ours = await _begun(self._owner.table)
        self._observer.notify(ProcessStarted(self.number, process.pid))
        tasks = Tasks(self._observer)
        try:
            async with aclosing(await Peer.over(ours, self._observer)) as peer:
                peer.tell(self._owner.begin(self))
                self.peer = peer  # in one step with what it is told to begin with: no change falls between
                if self._word is not None:  # the end was wanted while this process was made
                    peer.tell(self._word)
                _ = tasks.spawn(f"watch:{self.number}", self._watch(process))
                await peer.run(self._taken)
        finally:
            await tasks.aclose()
            self.peer = None
            code = await _left(process)
            self._observer.notify(ProcessEnded(self.number, process.pid, code, wanted=self._ending.is_set()))
            self._owner.ended(self)
            self._over(ChildProcessError(f"process {self.number} ended with code {code} before it served"))

    async def _watch(self, process: Process) -> None:
        """Kill a process that has been silent for too long: it hangs, and the callers that are dealt to it with it."""
        self._silence = 0
        while self._silence < SILENT_REPORTS:  # counted, not timed: whoever was stopped itself has missed none
            await asyncio.sleep(REPORT_SECS)
            self._silence += 1
        process.kill()

    async def _taken(self, message: AnyMessage) -> AnyMessage | None:
        self._silence = 0
        if isinstance(message, Listening) and not self.started.done():
            self.started.set_result(None)
        if isinstance(message, Failed):
            self._over(ConfigError(message.reason))
        return await self._owner.take(self, message)

    def _over(self, error: Exception) -> None:
        """Note that the first process did not come to serve."""
        if not self.started.done():
            self.started.set_exception(error)

    async def _pause(self, secs: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(secs):
                await self._ending.wait()


async def _begun(table: int) -> tuple[Process, socket.socket]:
    """Start a process; return our end of the line to it, too."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            return await _spawned(theirs.fileno(), table), ours
    except BaseException:
        ours.close()
        raise


async def _spawned(*descriptors: int) -> Process:
    """Start an interpreter that finds its modules where this one does, and nowhere else."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109  (the process's own, as it is)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "smg.server.processes", *map(str, descriptors)),
        pass_fds=descriptors,
        env={**os.environ, "PYTHONPATH": path},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _left(process: Process) -> int:
    """Return the exit code of a process that is to be gone by now; it is killed if it is not."""
    try:
        async with asyncio.timeout(LEAVE_SECS):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
