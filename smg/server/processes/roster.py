"""Who exists, as specs: the supervisor decides here what every process then does."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from smg.core.errors import ConflictError, FleetFullError, InvalidRequestError, NotFoundError
from smg.core.words import WorkerId
from smg.server.processes.messages import (
    AddWorker,
    Change,
    ExpandWorker,
    Member,
    PatchWorker,
    RemoveWorker,
    ReplaceWorker,
    ResolveWorker,
    Turn,
)
from smg.workers.factory import address_of
from smg.workers.spec import patch_spec, resolve
from smg.workers.tls import ssl_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smg.server.processes.messages import Write
    from smg.workers.settings import WorkerDefaults
    from smg.workers.spec import WorkerSpec


class Roster:
    """All workers' specs by their ids; one decision at a time.

    Attributes:
        members: In the order of registration; those that leave are no longer here.
    """

    def __init__(self, defaults: WorkerDefaults, seats: int) -> None:
        """Begin empty, with more ``seats`` than there may be workers, so that none is soon another's."""
        self.members: dict[WorkerId, Member] = {}
        self._seats = cycle(range(seats))
        self._defaults = defaults
        self._urls: dict[str, WorkerId] = {}
        self._deciding = asyncio.Lock()

    @property
    def urls(self) -> Iterable[str]:
        """The workers' identities."""
        return self._urls.keys()

    async def decide(self, write: Write) -> tuple[Change, ...]:
        """Return what every process is to do for ``write``, in this order; nothing where that is done already.

        Raises:
            InvalidRequestError: A spec or a change cannot be used.
            NotFoundError: No such worker.
            ConflictError: The URL is registered.
            FleetFullError: There are too many.
        """
        async with self._deciding:
            specs = self._wanted(write)
            for spec in specs:
                await _check(spec, self._defaults)
            return self._decided(write, specs)  # in one step, so that nobody ever begins with half of it

    def _wanted(self, write: Write) -> tuple[WorkerSpec, ...]:
        """Return the specs that there shall be."""
        match write:
            case AddWorker(spec=spec) | ReplaceWorker(spec=spec):
                return (spec,)
            case PatchWorker(id=worker_id, changes=changes):
                return (patch_spec(self._get(worker_id).spec, changes),)
            case ResolveWorker(id=worker_id, url=url):
                return (msgspec.structs.replace(self._get(worker_id).spec, url=url),)
            case ExpandWorker(specs=specs):
                return specs
            case RemoveWorker():
                return ()

    def _decided(self, write: Write, specs: tuple[WorkerSpec, ...]) -> tuple[Change, ...]:
        match write:
            case AddWorker(source=source):
                return (self._add(specs[0], source),)
            case RemoveWorker(id=worker_id):
                return (self._remove(worker_id),)
            case ExpandWorker(id=worker_id):
                return self._expand(worker_id, specs)
            case PatchWorker(id=worker_id):
                return (self._put(Turn.CHANGE, worker_id, specs[0]),)
            case ReplaceWorker(id=worker_id):
                return (self._replace(worker_id, specs[0]),)
            case ResolveWorker(id=worker_id):
                known = address_of(self._get(worker_id).spec).mode is not None  # another process was first
                return () if known else (self._put(Turn.REBUILD, worker_id, specs[0]),)

    def _add(self, spec: WorkerSpec, source: str) -> Change:
        self._require_room(1)
        taken = {member.seat for member in self.members.values()}
        seat = next(seat for seat in self._seats if seat not in taken)
        member = Member(id=WorkerId(str(uuid4())), spec=spec, source=source, seat=seat)
        self._claim(member)
        return Change(turn=Turn.ADD, member=member)

    def _replace(self, worker_id: WorkerId, spec: WorkerSpec) -> Change:
        old = self._get(worker_id)
        if address_of(spec).url != _url(old) and spec.url != old.spec.url:
            raise InvalidRequestError("a worker's url cannot change; register a new worker", param="url")
        return self._put(Turn.REBUILD, worker_id, spec)

    def _expand(self, worker_id: WorkerId, specs: tuple[WorkerSpec, ...]) -> tuple[Change, ...]:
        """Believe the first process that found out how many ranks there are."""
        old = self._get(worker_id)
        if address_of(old.spec).rank is not None:
            return ()
        others = [spec for spec in specs[1:] if address_of(spec).url not in self._urls]
        self._require_room(len(others))
        first = self._put(Turn.REBUILD, worker_id, specs[0])
        return (*(self._add(spec, old.source) for spec in others), first)

    def _remove(self, worker_id: WorkerId) -> Change:
        member = self._get(worker_id)
        del self.members[worker_id], self._urls[_url(member)]
        return Change(turn=Turn.REMOVE, member=member)

    def _put(self, turn: Turn, worker_id: WorkerId, spec: WorkerSpec) -> Change:
        old = self._get(worker_id)
        member = msgspec.structs.replace(old, spec=spec)
        self._claim(member)
        if _url(old) != _url(member):
            del self._urls[_url(old)]
        return Change(turn=turn, member=member)

    def _require_room(self, count: int) -> None:
        if len(self.members) + count > self._defaults.max_workers:
            raise FleetFullError("as many workers are registered as the gateway allows")

    def _get(self, worker_id: WorkerId) -> Member:
        try:
            return self.members[worker_id]
        except KeyError:
            raise NotFoundError("no such worker") from None

    def _claim(self, member: Member) -> None:
        if self._urls.setdefault(_url(member), member.id) != member.id:
            raise ConflictError("a worker with this url is registered", param="url")
        self.members[member.id] = member


def _url(member: Member) -> str:
    return address_of(member.spec).url


async def _check(spec: WorkerSpec, defaults: WorkerDefaults) -> None:
    """Refuse what no process could build a worker from."""
    secure, tls = address_of(spec).secure, resolve(spec, defaults).tls
    try:
        if secure:
            await asyncio.to_thread(ssl_context, tls)
    except (OSError, ValueError) as error:  # a path with a zero byte in it is a ValueError
        raise InvalidRequestError("a certificate or key of the worker cannot be read", param="tls") from error
