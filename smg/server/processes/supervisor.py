"""The supervisor: it serves no caller, but holds the address and keeps the processes that do."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Self

import msgspec
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from smg.core.clock import MonotonicClock
from smg.core.errors import ConfigError, GatewayError
from smg.core.tasks import Tasks
from smg.server.lifecycle import LAST_WORD_SECS, caller_limits
from smg.server.metrics_page import show_metrics
from smg.server.observers.logs import LogObserver
from smg.server.observers.tallies import Counts
from smg.server.processes.address import Hold
from smg.server.processes.board import Table, seats
from smg.server.processes.broadcast import Broadcast
from smg.server.processes.figures import Figures
from smg.server.processes.messages import AddWorker, Begin, Drain, Hurry, Look, Ready, Report, Write
from smg.server.processes.peer import LostPeerError
from smg.server.processes.post import LEAVE_SECS, Post
from smg.server.processes.roster import Roster
from smg.server.stop import signalled

if TYPE_CHECKING:
    from types import TracebackType

    from smg.server.http1.listener import Listener
    from smg.server.processes.broadcast import Peers
    from smg.server.processes.messages import AnyMessage
    from smg.server.processes.peer import Peer
    from smg.server.schema import Settings
    from smg.workers.spec import WorkerSpec

START_SECS = 120.0
LOOK_SECS = 1.0


class Supervisor:
    """Has ``server.processes`` gateways serve one address from entering its context to leaving it."""

    _table: Table

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = MonotonicClock()
        self._observer = LogObserver()
        self._tasks = Tasks(self._observer)
        self._hold = Hold(settings.server.host, settings.server.port)
        self._stack = AsyncExitStack()
        self._posts: tuple[Post, ...] = ()
        self._roster = Roster(settings.worker_defaults, seats(settings))
        self._broadcast = Broadcast(self._roster, self._peers)
        self._figures = Figures(lambda: self._roster.urls)
        self._metrics = CollectorRegistry()
        self._metrics.register(self._figures)
        serving = Gauge("smg_processes", "Processes that have begun.", registry=self._metrics)
        serving.set_function(lambda: len(self._peers()))
        self._ends = Counts("smg_process_ends_total", "Processes that ended, asked or not.", (), [()])
        self._metrics.register(self._ends)
        self._page_listener: Listener | None = None

    @property
    def port(self) -> int:
        """The port callers reach."""
        return self._hold.port

    @property
    def table(self) -> int:
        """Descriptor of the memory that all processes share."""
        return self._table.descriptor

    @property
    def metrics_port(self) -> int:
        """The port Prometheus scrapes."""
        if self._page_listener is None:
            raise RuntimeError("the gateway has not been started")
        return self._page_listener.port

    async def __aenter__(self) -> Self:
        """Start every process and wait until all accept callers.

        Raises:
            ConfigError: An address, a certificate or a worker's entry cannot be used.
            OSError: A process cannot be started.
        """
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End every process at once."""
        await self._stack.aclose()

    async def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT, then have all drain; a second signal ends them at once."""
        with signalled() as stop:
            await stop.drain.wait()
            await stop.unless_hurried(self._drained())

    async def _start(self, stack: AsyncExitStack) -> None:
        await asyncio.to_thread(self._hold.__enter__)
        stack.push(self._hold)
        self._table = Table(self._settings)
        stack.callback(self._table.close)
        settings = self._settings
        for position, spec in enumerate(settings.workers):
            await self._register(position, spec)
        self._page_listener = await show_metrics(stack, self._page, settings.metrics, caller_limits(settings))
        stack.push_async_callback(self._hurry)
        self._posts = tuple(
            Post(number + 1, self, self._clock, self._observer) for number in range(self._settings.server.processes)
        )
        for post in self._posts:
            _ = self._tasks.spawn(f"process:{post.number}", post.keep())
        started = asyncio.gather(*(post.started for post in self._posts))
        try:
            async with asyncio.timeout(START_SECS):
                await started
        except TimeoutError as error:
            raise ChildProcessError(f"not all processes served within {START_SECS:g} s") from error

    async def _register(self, position: int, spec: WorkerSpec) -> None:
        try:
            await self._roster.decide(AddWorker(spec=spec, source="config"))
        except GatewayError as error:
            raise ConfigError(f"workers[{position}]: {error.message}") from error

    def begin(self, post: Post) -> Begin:
        """Return what a new process is to know: all settings, and the fleet as it is now."""
        server = msgspec.structs.replace(self._settings.server, port=self.port)
        return Begin(
            number=post.number,
            settings=msgspec.structs.replace(self._settings, server=server, workers=()),
            members=tuple(self._roster.members.values()),
            healthy=self._figures.healthy(),
        )

    async def take(self, post: Post, message: AnyMessage) -> AnyMessage | None:
        """Take a report, decide what a process wants of the fleet, or have it wait for the others."""
        if isinstance(message, Report):
            self._figures.take(post.number, message.families)
        if isinstance(message, Write):
            return await self._broadcast.write(message)
        if isinstance(message, Ready):
            post.ready.set()
            await asyncio.gather(*(each.ready.wait() for each in self._posts))
        return None

    def ended(self, post: Post) -> None:
        """Keep what a process has counted."""
        self._ends.of[()] += 1
        self._table.clear(post.number - 1)
        self._figures.gone(post.number)

    def _peers(self) -> Peers:
        return {post.number: post.peer for post in self._posts if post.peer is not None}

    async def _page(self) -> bytes:
        """Return the metrics of all, as each tells now; of one that does not answer, as it told last."""
        await asyncio.gather(*(self._look(number, peer) for number, peer in self._peers().items()))
        return generate_latest(self._metrics)

    async def _look(self, number: int, peer: Peer) -> None:
        with suppress(LostPeerError, TimeoutError):
            report = await peer.ask(Look(), LOOK_SECS)
            if isinstance(report, Report) and self._peers().get(number) is peer:  # else it is gone, and so counted
                self._figures.take(number, report.families)

    async def _drained(self) -> None:
        await self._ended(Drain(), self._settings.server.shutdown_grace_period_secs + LAST_WORD_SECS + LEAVE_SECS)

    async def _hurry(self) -> None:
        await self._ended(Hurry(), LEAVE_SECS)
        await self._tasks.aclose()

    async def _ended(self, word: AnyMessage, within_secs: float) -> None:
        """Have every process end as ``word`` says, and wait so long for it."""
        for post in self._posts:
            post.end(word)
        await self._tasks.idle(within_secs)
