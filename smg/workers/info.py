"""A worker as the API shows it: its spec with what holds now, and never its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from yarl import URL

from smg.core.words import LifeState
from smg.workers.spec import OVERRIDES

if TYPE_CHECKING:
    from smg.workers.worker import Worker

HIDDEN = ("api_key",)


def worker_info(worker: Worker, now: float) -> dict[str, Any]:
    """Return what ``GET /workers/{id}`` answers; each block of overrides holds the settings in effect.

    Args:
        worker: The worker to show.
        now: Clock reading, for ``since_secs``.
    """
    spec: dict[str, Any] = msgspec.to_builtins(worker.spec)
    for name in HIDDEN:
        spec.pop(name, None)
    settings = {block: msgspec.to_builtins(getattr(worker.settings, name)) for block, name in OVERRIDES.items()}
    settings["proxy"]["url"] = _without_user(worker.settings.proxy.url)
    mode = worker.connection_mode
    return {
        **spec,
        **settings,
        "id": worker.id,
        "url": worker.url,
        "base_url": worker.base_url,
        "dp_rank": worker.rank,
        "model_id": worker.models[0].id if worker.models else None,
        "models": [msgspec.to_builtins(card) for card in worker.models],
        "connection_mode": None if mode is None else mode.value,
        "runtime_type": worker.runtime.value,
        "labels": worker.labels,
        "source": worker.source,
        "is_healthy": worker.life.state is LifeState.READY,
        "status": worker.life.state.value,
        "reason": worker.life.reason,
        "since_secs": round(max(0.0, now - worker.life.since), 3),
        "available": worker.available,
        "epoch": worker.epoch,
        "load": worker.places.everywhere,
        "tokens_in_flight": worker.tokens_in_flight,
        "context_length": worker.facts.context_length,
        "version": worker.facts.version,
    }


def _without_user(url: str | None) -> str | None:
    return None if url is None else str(URL(url).with_user(None))


def listing(workers: list[Worker], now: float) -> dict[str, Any]:
    """Return what ``GET /workers`` answers."""
    types = [worker.worker_type.value for worker in workers]
    return {
        "workers": [worker_info(worker, now) for worker in workers],
        "total": len(workers),
        "stats": {f"{name}_count": types.count(name) for name in ("prefill", "decode", "regular", "encode")},
    }
