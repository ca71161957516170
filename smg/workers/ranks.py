"""One worker per data-parallel rank, in the place of one whose engine has several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from smg.core.errors import FleetFullError

if TYPE_CHECKING:
    from smg.workers.settings import WorkerDefaults
    from smg.workers.spec import WorkerSpec
    from smg.workers.worker import Worker


def rank_specs(worker: Worker, defaults: WorkerDefaults) -> tuple[WorkerSpec, ...]:
    """Return one spec per rank of a worker whose engine has several, where that is wanted; else nothing.

    Raises:
        FleetFullError: The engine tells of more ranks than there may be workers.
    """
    count = worker.facts.rank_count
    if not defaults.expand_ranks or worker.rank is not None or count <= 1:
        return ()
    if count > defaults.max_workers:
        raise FleetFullError("the engine has more ranks than the gateway allows workers")
    return tuple(msgspec.structs.replace(worker.spec, url=f"{worker.base_url}@{rank}") for rank in range(count))
