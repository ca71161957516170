"""The models that can be asked for now, as OpenAI's API lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smg.core.errors import UnknownModelError
from smg.server.handlers.answers import send_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smg.core.request import Request, Sink
    from smg.workers.fleet import Fleet
    from smg.workers.spec import ModelCard
    from smg.workers.worker import Worker


class ModelHandlers:
    """Lists models over all workers that take requests now."""

    def __init__(self, fleet: Callable[[], Fleet], created: int) -> None:
        self._fleet = fleet
        self._created = created

    async def list(self, _request: Request, sink: Sink) -> None:
        """Answer with every model once."""
        send_json(sink, {"object": "list", "data": list(self._entries().values())})

    async def show(self, request: Request, sink: Sink) -> None:
        """Answer with the one model of that name or alias; raises UnknownModelError."""
        wanted = request.params["model"]
        for entry in self._entries().values():
            if wanted == entry["id"] or wanted in entry["aliases"]:
                return send_json(sink, entry)
        raise UnknownModelError("there is no such model", param="model")

    def _entries(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for worker, card in _served(self._fleet()):
            entry = entries.setdefault(card.id, self._entry(card.id, card.provider or worker.runtime.value))
            length = card.context_length or worker.facts.context_length
            known = entry["max_model_len"]
            entry["max_model_len"] = length if known is None else min(known, length or known)
            entry["aliases"] = sorted({*entry["aliases"], *card.aliases})
        return entries

    def _entry(self, model: str, owner: str) -> dict[str, Any]:
        return {
            "id": model,
            "object": "model",
            "created": self._created,
            "owned_by": owner,
            "root": model,
            "parent": None,
            "max_model_len": None,
            "aliases": [],
        }


def _served(fleet: Fleet) -> Iterator[tuple[Worker, ModelCard]]:
    """Yield who serves what now; in a panic, whatever its health."""
    for worker in fleet.workers.values():
        for card in worker.models:
            if worker.available or (card.id, worker.worker_type) in fleet.panics:
                yield worker, card
