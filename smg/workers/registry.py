"""Who exists: the one owner of all workers, which are added, changed, drained and closed here and nowhere else."""

from __future__ import annotations

import asyncio
import random as random_module
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec

from smg.core.errors import ConflictError, FleetFullError, InvalidRequestError, NotFoundError
from smg.core.events import PanicChanged, WorkerAdded, WorkerRemoved
from smg.core.tasks import Tasks
from smg.core.words import LifeState, WorkerId
from smg.workers.factory import address_of
from smg.workers.fleet import Fleet, assemble
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.health import HealthMonitor
from smg.workers.ranks import rank_specs
from smg.workers.spec import patch_spec, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smg.workers.detection import UnprobedWorker
    from smg.workers.factory import WorkerFactory
    from smg.workers.fleet import Group
    from smg.workers.health import Home
    from smg.workers.spec import WorkerSpec
    from smg.workers.tokenizers import TokenizerSource
    from smg.workers.worker import Worker

REBUILD: Final = ("url", "worker_type", "connection_mode", "runtime_type")
"""Fields of a spec, and below those settings, whose change needs a new transport or a new breaker."""
REBUILD_SETTINGS: Final = ("pool", "timeouts", "tls", "proxy", "breaker")


class Registry:
    """All workers; its methods must be called on one event loop.

    Attributes:
        home: Who decides what is put in a worker's place; the registry itself, where it is the only one.
    """

    def __init__(
        self,
        factory: WorkerFactory,
        *,
        tokenizers: TokenizerSource | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        self.home: Home = self
        self._factory = factory
        self._observer = factory.observer
        self._tokenizers = tokenizers
        self._random = random or random_module.Random()  # noqa: S311 - spreads probes, guards nothing
        self._tasks = Tasks(factory.observer)
        self._workers: dict[WorkerId, Worker] = {}
        self._urls: dict[str, WorkerId] = {}
        self._watches: dict[WorkerId, asyncio.Task[None]] = {}
        self._leaving: dict[WorkerId, asyncio.Task[None]] = {}
        self._retired: set[Worker] = set()
        self._fleet: Fleet | None = Fleet()
        self._panics: frozenset[Group] = frozenset()

    @property
    def fleet(self) -> Fleet:
        """The fleet as it is now; the same object until something changes. Whoever asks first tells of panics."""
        if self._fleet is None:
            self._fleet = assemble(self._workers, self._factory.defaults.panic_ratio)
            self._tell_panics(self._fleet.panics)
        return self._fleet

    def get(self, worker_id: WorkerId) -> Worker:
        """Return a worker, whatever its state; raises NotFoundError."""
        try:
            return self._workers[worker_id]
        except KeyError:
            raise NotFoundError("no such worker") from None

    async def add(self, spec: WorkerSpec, source: str, worker_id: WorkerId | None = None) -> Worker:
        """Register a worker, which is pending until it answers; under a new id unless one was made elsewhere.

        Raises:
            InvalidRequestError: The spec cannot be used.
            ConflictError: The URL is registered.
            FleetFullError: There are too many.
        """
        worker = self._factory.build(spec, worker_id or WorkerId(str(uuid4())), source)
        if len(self._urls) >= self._factory.defaults.max_workers:  # those that leave are as many as have requests left
            raise FleetFullError("as many workers are registered as the gateway allows")
        self._claim(worker)
        try:
            await _started(worker)
        except BaseException:  # who asked may have left while files were read
            self._urls.pop(worker.url)
            raise
        self._enter(worker)
        self._observer.notify(WorkerAdded(worker.id, worker.url, source))
        return worker

    async def replace(self, worker_id: WorkerId, spec: WorkerSpec) -> Worker:
        """Register ``spec`` anew under the same id; requests in flight finish on the old transport.

        Raises:
            NotFoundError: No such worker.
            InvalidRequestError: The spec cannot be used, or names another URL.
            ConflictError: The worker leaves, or changed meanwhile.
        """
        old = self.current(worker_id)
        if address_of(spec).url != old.url and spec.url != old.spec.url:
            raise InvalidRequestError("a worker's url cannot change; register a new worker", param="url")
        return await self.rebuild(worker_id, spec)

    async def patch(self, worker_id: WorkerId, changes: Mapping[str, Any]) -> Worker:
        """Change the named fields of a worker's spec; a new transport is made only where it has to be.

        Raises:
            NotFoundError: No such worker.
            InvalidRequestError: A change cannot be used.
            ConflictError: The worker leaves, or changed meanwhile.
        """
        return await self.change(worker_id, patch_spec(self.current(worker_id).spec, changes))

    async def change(self, worker_id: WorkerId, spec: WorkerSpec) -> Worker:
        """Give a worker a changed spec; raises as ``patch``."""
        old = self.current(worker_id)
        settings = resolve(spec, self._factory.defaults)
        if any(getattr(spec, name) != getattr(old.spec, name) for name in REBUILD) or any(
            getattr(settings, name) != getattr(old.settings, name) for name in REBUILD_SETTINGS
        ):
            return await self._rebuild(old, spec, adopt=True)
        old.spec, old.settings = spec, settings
        old.models = spec.models or old.models
        self._touch()
        self._watch(old)
        return old

    async def rebuild(self, worker_id: WorkerId, spec: WorkerSpec) -> Worker:
        """Put a new worker, of whatever URL, in the place of one that is there; raises as ``replace``."""
        return await self._rebuild(self.current(worker_id), spec, adopt=False)

    async def remove(self, worker_id: WorkerId) -> None:
        """Give a worker no more requests, and close it when its last ends or its drain limit has passed.

        Raises:
            NotFoundError: No such worker.
        """
        worker = self.get(worker_id)
        if worker_id in self._leaving:
            return
        self._unwatch(worker_id)
        self._urls.pop(worker.url, None)
        worker.move(LifeState.DRAINING, "removed")
        self._leaving[worker_id] = self._tasks.spawn(f"drain:{worker_id}", self._leave(worker))

    async def gone(self, worker_id: WorkerId) -> None:
        """Wait until a worker that is being removed is closed."""
        if (task := self._leaving.get(worker_id)) is not None:
            await asyncio.wait([task])

    async def aclose(self) -> None:
        """Close every worker at once; may be called twice."""
        await self._tasks.aclose()
        for worker in (*self._workers.values(), *self._retired):
            await self._close(worker)
        self._workers.clear()
        self._urls.clear()
        self._retired.clear()
        self._touch()

    async def resolve(self, worker: UnprobedWorker) -> None:
        """Put a worker with the address that answered in the place of one that was probed."""
        assert worker.resolved is not None  # noqa: S101
        spec = msgspec.structs.replace(worker.spec, url=worker.resolved.url)
        await self._rebuild(worker, spec, adopt=False)

    async def expand(self, worker: Worker) -> bool:
        """Put one worker per rank in the place of one whose engine has several, where that is wanted.

        Raises:
            FleetFullError: The engine tells of more ranks than there may be workers.
        """
        specs = rank_specs(worker, self._factory.defaults)
        for spec in specs[1:]:
            with suppress(ConflictError):
                await self.add(spec, worker.source)
        if specs:
            await self._rebuild(worker, specs[0], adopt=False)
        return bool(specs)

    def current(self, worker_id: WorkerId) -> Worker:
        """Return a worker that stays; raises NotFoundError, or ConflictError for one that leaves."""
        worker = self.get(worker_id)
        if worker_id in self._leaving:
            raise ConflictError("the worker is being removed")
        return worker

    def _claim(self, worker: Worker) -> None:
        if self._urls.setdefault(worker.url, worker.id) != worker.id:
            raise ConflictError("a worker with this url is registered", param="url")

    def _enter(self, worker: Worker) -> None:
        self._workers[worker.id] = worker
        worker.changed = self._touch
        self._touch()
        self._watch(worker)

    async def _rebuild(self, old: Worker, spec: WorkerSpec, *, adopt: bool) -> Worker:
        new = self._factory.build(spec, old.id, old.source)
        self._claim(new)
        try:
            await _started(new)
            self._require_current(old)
        except BaseException:
            await self._undo(old, new)
            raise
        if adopt:
            new.adopt(old)
        if new.url != old.url:
            self._urls.pop(old.url, None)
        self._retire(old)
        self._enter(new)
        return new

    def _require_current(self, worker: Worker) -> None:
        if self._workers.get(worker.id) is not worker or worker.id in self._leaving:
            raise ConflictError("the worker changed meanwhile")

    async def _undo(self, old: Worker, new: Worker) -> None:
        if new.url != old.url and self._urls.get(new.url) == new.id:
            del self._urls[new.url]
        await new.aclose()

    def _retire(self, old: Worker) -> None:
        """Let a replaced worker finish what it began; it is out of the fleet, its id lives on."""
        old.retire()
        self._retired.add(old)
        self._unwatch(old.id)
        _ = self._tasks.spawn(f"retire:{old.id}", self._drain(old))

    async def _leave(self, worker: Worker) -> None:
        await self._drain(worker)
        worker.move(LifeState.GONE, "closed")
        del self._workers[worker.id], self._leaving[worker.id]
        self._touch()
        self._observer.notify(WorkerRemoved(worker.id, worker.url))

    async def _drain(self, worker: Worker) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(worker.settings.health.drain_secs):
                await worker.idle()
        await self._close(worker)
        self._retired.discard(worker)

    async def _close(self, worker: Worker) -> None:
        await worker.aclose()
        if self._tokenizers is not None and isinstance(worker, GrpcWorker):
            await self._tokenizers.detach(worker)

    def _watch(self, worker: Worker) -> None:
        self._unwatch(worker.id)
        monitor = HealthMonitor(
            worker,
            self.home,
            tokenizers=self._tokenizers,
            clock=self._factory.clock,
            observer=self._observer,
            random=self._random,
        )
        self._watches[worker.id] = self._tasks.spawn(f"health:{worker.id}", monitor.run())

    def _unwatch(self, worker_id: WorkerId) -> None:
        """End a watch, unless it is the caller: a monitor that has its worker replaced ends by itself."""
        task = self._watches.pop(worker_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _touch(self) -> None:
        self._fleet = None

    def _tell_panics(self, panics: frozenset[Group]) -> None:
        """Tell of the groups that begin to panic, and of those that have calmed down."""
        before, self._panics = self._panics, panics
        for group in sorted(before ^ panics, key=str):
            self._observer.notify(PanicChanged(*group, panicking=group in panics))


async def _started(worker: Worker) -> None:
    try:
        await worker.start()
    except (OSError, ValueError) as error:  # a path with a zero byte in it is a ValueError
        raise InvalidRequestError("a certificate or key of the worker cannot be read", param="tls") from error
