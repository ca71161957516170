"""The fleet of one process: changed where the supervisor says so, and by asking it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from smg.core.errors import ConflictError, DrainingError, GatewayError, OverloadedError
from smg.server.observers.logs import FIELDS
from smg.server.processes.messages import (
    Accepted,
    AddWorker,
    ExpandWorker,
    PatchWorker,
    RemoveWorker,
    ReplaceWorker,
    ResolveWorker,
    Turn,
)
from smg.server.processes.peer import LostPeerError
from smg.workers.ranks import rank_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smg.core.words import WorkerId
    from smg.server.processes.board import Board
    from smg.server.processes.messages import Change, Member, Write
    from smg.server.processes.peer import Peer
    from smg.workers.detection import UnprobedWorker
    from smg.workers.registry import Registry
    from smg.workers.settings import WorkerDefaults
    from smg.workers.spec import WorkerSpec
    from smg.workers.worker import Worker

LOG = logging.getLogger("smg.server")
WRITE_SECS = 10.0
RETRY_AFTER_SECS = 1.0


class SharedFleet:
    """Has the supervisor decide every change, for administrators and for the watches over workers."""

    _registry: Registry

    def __init__(self, defaults: WorkerDefaults, peer: Peer, board: Board) -> None:
        self._defaults = defaults
        self._peer = peer
        self._board = board
        self._filled = asyncio.Event()
        self._applying = asyncio.Lock()

    @property
    def filled(self) -> bool:
        """Whether the fleet that was there at the beginning has been taken in."""
        return self._filled.is_set()

    async def fill(self, registry: Registry, members: Iterable[Member]) -> None:
        """Begin with these; one that cannot be used here keeps nobody from the others."""
        self._registry = registry
        registry.home = self
        for member in members:
            try:
                await self._add(member)
            except GatewayError as error:
                LOG.exception("worker.refused", extra={FIELDS: {"worker": member.id, "reason": error.message}})
        self._filled.set()

    async def apply(self, change: Change) -> None:
        """Do as every process does; changes are applied one after another, as they came.

        Raises:
            GatewayError: What the supervisor found usable is not so here.
        """
        member = change.member
        async with self._applying:
            await self._filled.wait()
            match change.turn:
                case Turn.ADD:
                    await self._add(member)
                case Turn.CHANGE:
                    await self._registry.change(member.id, member.spec)
                case Turn.REBUILD:
                    await self._registry.rebuild(member.id, member.spec)
                case Turn.REMOVE:
                    await self._registry.remove(member.id)
                    self._board.unseat(member.id)

    async def add(self, spec: WorkerSpec, source: str) -> Worker:
        """As ``Registry.add``, in every process."""
        return await self._write(AddWorker(spec=spec, source=source))

    async def replace(self, worker_id: WorkerId, spec: WorkerSpec) -> Worker:
        """As ``Registry.replace``, in every process."""
        self._registry.current(worker_id)
        return await self._write(ReplaceWorker(id=worker_id, spec=spec))

    async def patch(self, worker_id: WorkerId, changes: Mapping[str, Any]) -> Worker:
        """As ``Registry.patch``, in every process."""
        self._registry.current(worker_id)
        return await self._write(PatchWorker(id=worker_id, changes=dict(changes)))

    async def remove(self, worker_id: WorkerId) -> None:
        """As ``Registry.remove``, in every process."""
        try:
            self._registry.current(worker_id)
        except ConflictError:
            return  # it leaves already
        await self._ask(RemoveWorker(id=worker_id))

    async def resolve(self, worker: UnprobedWorker) -> None:
        """As ``Registry.resolve``, in every process."""
        assert worker.resolved is not None  # noqa: S101
        await self._ask(ResolveWorker(id=worker.id, url=worker.resolved.url))

    async def expand(self, worker: Worker) -> bool:
        """As ``Registry.expand``, in every process."""
        if specs := rank_specs(worker, self._defaults):
            await self._ask(ExpandWorker(id=worker.id, specs=specs))
        return bool(specs)

    async def _add(self, member: Member) -> None:
        self._board.seat(member.id, member.seat)
        await self._registry.add(member.spec, member.source, member.id)

    async def _write(self, write: Write) -> Worker:
        accepted = await self._ask(write)
        return self._registry.get(accepted.ids[0])

    async def _ask(self, write: Write) -> Accepted:
        try:
            answer = await self._peer.ask(write, WRITE_SECS)
        except LostPeerError as error:
            raise DrainingError("the gateway is shutting down") from error
        except TimeoutError as error:
            message = "the gateway's supervisor was too busy for too long"
            raise OverloadedError(message, retry_after_secs=RETRY_AFTER_SECS) from error
        assert isinstance(answer, Accepted)  # noqa: S101
        return answer
