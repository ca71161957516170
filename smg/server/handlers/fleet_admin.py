"""Questions and orders to every worker: loads, and dropping prefix caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.core.errors import GatewayError
from smg.core.words import ConnectionMode
from smg.server.handlers.answers import send_json
from smg.server.handlers.fan_out import ask_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.generation import RankLoad
    from smg.core.request import Request, Sink
    from smg.workers.fleet import Fleet
    from smg.workers.worker import Worker

LOADS_SECS = 5.0
FLUSH_SECS = 45.0
UNKNOWN_LOAD = -1


class FleetAdminHandlers:
    """Fans out to all workers, of both modes, and tells one result per worker."""

    def __init__(self, fleet: Callable[[], Fleet], wall: Callable[[], float]) -> None:
        self._fleet = fleet
        self._wall = wall

    async def loads(self, _request: Request, sink: Sink) -> None:
        """Answer with each worker's load in tokens, -1 where it does not tell, and its ranks in detail."""
        told = await ask_all(self._fleet().workers.values(), lambda worker: worker.loads(), deadline_secs=LOADS_SECS)
        send_json(sink, {"workers": [self._load(worker, loads) for worker, loads in told.items()]})

    async def flush_cache(self, _request: Request, sink: Sink) -> None:
        """Drop every prefix cache; answers 200 if all did, else 206 with the failures."""
        told = await ask_all(
            self._fleet().workers.values(), lambda worker: worker.flush_cache(), deadline_secs=FLUSH_SECS
        )
        failed = [_failure(worker, error) for worker, error in told.items() if isinstance(error, GatewayError)]
        modes = [worker.connection_mode for worker in told]
        summary = {
            "status": "partial_success" if failed else "success",
            "message": f"flushed {len(told) - len(failed)} of {len(told)} workers",
            "workers_flushed": len(told) - len(failed),
            "total_http_workers": modes.count(ConnectionMode.HTTP),
            "total_grpc_workers": modes.count(ConnectionMode.GRPC),
            "total_workers": len(told),
            "successful": [worker.url for worker, error in told.items() if error is None],
            "failed": failed,
        }
        send_json(sink, summary, status=206 if failed else 200)

    def _load(self, worker: Worker, loads: list[RankLoad] | GatewayError) -> dict[str, Any]:
        entry = {"worker": worker.url, "worker_id": worker.id, "in_flight": worker.places.everywhere}
        if isinstance(loads, GatewayError):
            return {**entry, "load": UNKNOWN_LOAD, "error": loads.message}
        details = {"timestamp": self._wall(), "dp_rank_count": len(loads), "loads": loads}
        return {**entry, "load": sum(load.num_used_tokens for load in loads), "details": details}


def _failure(worker: Worker, error: GatewayError) -> dict[str, str]:
    return {"worker": worker.url, "worker_id": worker.id, "error": error.message, "code": error.code}
