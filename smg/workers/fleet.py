"""The fleet: an immutable picture of all workers, with the candidates of every question laid out beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from smg.core.words import Runtime, WorkerType
from smg.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from smg.core.words import WorkerId
    from smg.workers.spec import ModelCard

W = TypeVar("W", bound=Worker)
Key: TypeAlias = "tuple[type[Worker], WorkerType, str | None, Runtime | None]"

ANY_MODEL = ""
"""Stands in keys for a model nobody listed: external workers take it."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All workers at one moment; safe to keep across an ``await``, though a worker may leave meanwhile.

    Attributes:
        workers: Every registered worker in the order of registration, those that leave included.
        candidates: The available workers for each question that has an answer.
        names: Each model name or alias that some worker serves, with its card.
        served: Each of those names with each class of worker that serves it, whatever the workers' state.
        undiscovered: Some worker has not yet told what it serves, so a model that is not known may become so.
    """

    workers: Mapping[WorkerId, Worker] = field(default_factory=dict)
    candidates: Mapping[Key, tuple[Worker, ...]] = field(default_factory=dict)
    names: Mapping[str, ModelCard] = field(default_factory=dict)
    served: frozenset[tuple[str, type[Worker]]] = frozenset()
    undiscovered: bool = False

    def select(
        self,
        worker_class: type[W],
        worker_type: WorkerType = WorkerType.REGULAR,
        *,
        model: str | None = None,
        runtime: Runtime | None = None,
    ) -> tuple[W, ...]:
        """Return the available workers of a class and type; with a model those that serve it, by name or alias."""
        found = self.candidates.get((worker_class, worker_type, model, runtime))
        if found is None and model is not None and model not in self.names:
            found = self.candidates.get((worker_class, worker_type, ANY_MODEL, runtime))
        return cast("tuple[W, ...]", found or ())

    def known(self, model: str, worker_class: type[Worker] = Worker) -> bool:
        """Whether any registered worker of a class, whatever its state, serves ``model``."""
        return (model, worker_class) in self.served or (ANY_MODEL, worker_class) in self.served

    def models(self) -> tuple[ModelCard, ...]:
        """Return each model once, without aliases, in the order they became known."""
        return tuple(card for name, card in self.names.items() if name == card.id)


def assemble(workers: Mapping[WorkerId, Worker]) -> Fleet:
    """Take a picture of ``workers`` as they are now."""
    names = _names(workers.values())
    found: dict[Key, list[Worker]] = {}
    for worker in workers.values():
        if worker.available:
            for key in _keys(worker, names):
                found.setdefault(key, []).append(worker)
    return Fleet(
        MappingProxyType(dict(workers)),
        MappingProxyType({key: tuple(group) for key, group in found.items()}),
        MappingProxyType(names),
        frozenset(_serving(workers.values(), names)),
        any(worker.undiscovered for worker in workers.values()),
    )


def _names(workers: Iterable[Worker]) -> dict[str, ModelCard]:
    """Map names to cards: a model's own name goes before any alias, the first worker to claim an alias has it."""
    cards = [card for worker in workers for card in worker.models]
    names: dict[str, ModelCard] = {}
    for card in cards:
        names.setdefault(card.id, card)
    for card in cards:
        for alias in card.aliases:
            names.setdefault(alias, card)
    return names


def _serving(workers: Iterable[Worker], names: Mapping[str, ModelCard]) -> Iterator[tuple[str, type[Worker]]]:
    for worker in workers:
        for model in _served(worker, names):
            yield model, Worker
            yield model, type(worker)


def _keys(worker: Worker, names: Mapping[str, ModelCard]) -> Iterator[Key]:
    for model in (None, *_served(worker, names)):
        for runtime in (None, worker.runtime):
            yield type(worker), worker.worker_type, model, runtime


def _served(worker: Worker, names: Mapping[str, ModelCard]) -> Iterator[str]:
    if worker.any_model:
        yield ANY_MODEL
        yield from names
    own = {card.id for card in worker.models}
    yield from own
    yield from {
        alias for card in worker.models for alias in card.aliases if alias not in own and names[alias].id == card.id
    }
