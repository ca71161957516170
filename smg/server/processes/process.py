"""One of several processes: a whole gateway that shares its address, and does as the supervisor says.

A process whose supervisor is gone finishes what runs and ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import uvloop
from typing_extensions import override

from smg.core.errors import ConfigError
from smg.core.tasks import Tasks
from smg.core.words import LifeState
from smg.server.lifecycle import Gateway
from smg.server.observers.log_lines import set_up_logging
from smg.server.observers.logs import LogObserver
from smg.server.processes.board import Board, Table
from smg.server.processes.figures import families
from smg.server.processes.fleet import SharedFleet
from smg.server.processes.messages import (
    REPORT_SECS,
    Begin,
    Change,
    Drain,
    Failed,
    Hurry,
    Listening,
    Look,
    Ready,
    Report,
)
from smg.server.processes.peer import LostPeerError, Peer
from smg.server.seat import Seat
from smg.server.stop import Stop, signalled

if TYPE_CHECKING:
    from smg.server.handlers.workers_api import FleetWrites
    from smg.server.processes.messages import AnyMessage
    from smg.workers.registry import Registry

WARM_SECS = 30.0
LOOK_SECS = 0.02


def main(line: int, table: int) -> int:
    """Serve as the supervisor at the other end of the descriptor ``line`` says, counting in that of ``table``."""
    for descriptor in (line, table):
        os.set_inheritable(descriptor, False)  # they end with this process, whatever that starts
    uvloop.run(_serve(socket.socket(fileno=line), table))
    return 0


async def _serve(sock: socket.socket, table: int) -> None:
    peer = await Peer.over(sock, LogObserver())
    begin = await peer.receive()
    if isinstance(begin, Begin):
        set_up_logging(begin.settings.log, process=begin.number)
        with signalled() as stop:
            board = Board(Table(begin.settings, table), begin.number - 1)
            await Process(begin, peer, board, stop).run()
    await peer.aclose()


class Process(Seat):
    """The seat of one of several."""

    shared = True

    def __init__(self, begin: Begin, peer: Peer, board: Board, stop: Stop) -> None:
        self.shares = board
        self._begin = begin
        self._peer = peer
        self._stop = stop
        self._fleet = SharedFleet(begin.settings.worker_defaults, peer, board)
        self._gateway = Gateway(begin.settings, self)

    async def run(self) -> None:
        """Serve until a signal, the supervisor or its end wants otherwise."""
        tasks = Tasks(LogObserver())
        try:
            _ = tasks.spawn("line", self._hear())
            _ = tasks.spawn("report", self._tell())
            async with self._gateway as gateway:
                self._peer.tell(Listening())
                await gateway.run_until(self._stop)
            self._peer.tell(self._report())
        except ConfigError as error:
            self._peer.tell(Failed(reason=str(error)))
        finally:
            await tasks.aclose()

    @override
    async def fill(self, registry: Registry) -> None:
        """Take in the fleet; callers are let in once it is as ready here as elsewhere, or that takes too long.

        Then it is waited for the other processes, whose share of the callers would else come here.
        """
        await self._fleet.fill(registry, self._begin.members)
        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_SECS):
                while self._lags(registry) and not self._stop.drain.is_set():  # noqa: ASYNC110 - nobody signals
                    await asyncio.sleep(LOOK_SECS)
        await self._stop.unless_hurried(self._ready())

    @override
    def writes(self, registry: Registry) -> FleetWrites:
        return self._fleet

    async def _ready(self) -> None:
        with suppress(LostPeerError, TimeoutError):
            await self._peer.ask(Ready(), WARM_SECS)

    def _lags(self, registry: Registry) -> bool:
        workers = registry.fleet.workers.values()
        return any(worker.life.state is LifeState.PENDING and worker.url in self._begin.healthy for worker in workers)

    async def _hear(self) -> None:
        await self._peer.run(self._take)
        self._stop.drain.set()

    async def _take(self, message: AnyMessage) -> AnyMessage | None:
        match message:
            case Drain():
                self._stop.drain.set()
            case Hurry():
                self._stop.at_once()
            case Change():
                await self._fleet.apply(message)
            case Look():
                return self._report()
            case _:
                pass
        return None

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECS)
            self._peer.tell(self._report())

    def _report(self) -> Report:
        return Report(families=families(self._gateway.metrics.collect()) if self._fleet.filled else ())
