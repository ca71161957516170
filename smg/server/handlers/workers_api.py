"""The workers API: register, look at, change and remove workers while the gateway runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from smg.core.words import LifeState, WorkerId
from smg.server.handlers.answers import read_object, send_json
from smg.workers.info import listing, worker_info
from smg.workers.spec import read_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smg.core.clock import Clock
    from smg.core.request import Request, Sink
    from smg.wire.shapes import JsonLimits
    from smg.workers.registry import Registry
    from smg.workers.spec import WorkerSpec
    from smg.workers.worker import Worker

SOURCE = "api"


class FleetWrites(Protocol):
    """Changes the fleet of the whole gateway, as ``Registry`` does where that is the only one."""

    async def add(self, spec: WorkerSpec, source: str) -> Worker:
        """Register a worker."""
        ...

    async def replace(self, worker_id: WorkerId, spec: WorkerSpec) -> Worker:
        """Register it anew under the same id."""
        ...

    async def patch(self, worker_id: WorkerId, changes: Mapping[str, Any]) -> Worker:
        """Change the named fields of its spec."""
        ...

    async def remove(self, worker_id: WorkerId) -> None:
        """Let it finish what it began, and leave."""
        ...


class WorkerHandlers:
    """Operates the registry for its administrators."""

    def __init__(
        self, registry: Registry, writes: FleetWrites, limits: JsonLimits, clock: Clock, *, wall: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._writes = writes
        self._limits = limits
        self._clock = clock
        self._wall = wall

    async def create(self, request: Request, sink: Sink) -> None:
        """Register a worker and answer 202 at once; whether it is reached yet shows at its location."""
        spec = read_spec(await read_object(request, self._limits))
        worker = await self._writes.add(spec, SOURCE)
        location = f"/workers/{worker.id}"
        answer = {**_accepted(worker, "registered; it serves once it has answered"), "location": location}
        send_json(sink, answer, status=202, extra=((b"location", location.encode()),))

    async def list(self, request: Request, sink: Sink) -> None:
        """Answer with every worker, or with those that serve the query's ``model``."""
        wanted = parse_qs(request.query).get("model")
        workers = [
            worker for worker in self._registry.fleet.workers.values() if wanted is None or worker.serves(wanted[0])
        ]
        answer = listing(workers, self._clock.now())
        for worker, entry in zip(workers, answer["workers"], strict=True):
            entry["job_status"] = self._job(worker)
        send_json(sink, answer)

    async def show(self, request: Request, sink: Sink) -> None:
        """Answer with one worker, whatever its state."""
        worker = self._registry.get(_id(request))
        send_json(sink, {**worker_info(worker, self._clock.now()), "job_status": self._job(worker)})

    async def replace(self, request: Request, sink: Sink) -> None:
        """Register the worker anew from a whole spec."""
        spec = read_spec(await read_object(request, self._limits))
        worker = await self._writes.replace(_id(request), spec)
        send_json(sink, _accepted(worker, "replaced"), status=202)

    async def patch(self, request: Request, sink: Sink) -> None:
        """Change the named fields of a worker's spec."""
        worker = await self._writes.patch(_id(request), await read_object(request, self._limits))
        send_json(sink, _accepted(worker, "changed"), status=202)

    async def remove(self, request: Request, sink: Sink) -> None:
        """Take a worker out: it gets no new request from now on, and leaves when what it began has ended."""
        worker = self._registry.get(_id(request))
        await self._writes.remove(worker.id)
        send_json(sink, _accepted(worker, "draining"), status=202)

    def _job(self, worker: Worker) -> dict[str, Any] | None:
        """Return what is still to be done to a worker: to reach it, or to let it finish."""
        jobs = {LifeState.PENDING: ("AddWorker", "pending"), LifeState.DRAINING: ("RemoveWorker", "processing")}
        if worker.life.state not in jobs:
            return None
        kind, status = jobs[worker.life.state]
        return {
            "job_type": kind,
            "worker_url": worker.url,
            "status": status,
            "message": worker.life.reason,
            "timestamp": int(self._wall()),
        }


def _id(request: Request) -> WorkerId:
    return WorkerId(request.params["id"])


def _accepted(worker: Worker, message: str) -> dict[str, Any]:
    return {"status": "accepted", "worker_id": worker.id, "url": worker.url, "message": message}
