"""The fleet: an immutable picture of all workers, with the candidates of every question laid out beforehand.

Theory of panic: that a few workers fail their probes says something of them; that most of a model's do says more of
the probes, or of a load that the rest could not bear either. Where the share of ready workers is below the panic
ratio, a model's unhealthy workers are candidates too, as far as their breakers let requests in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from smg.core.words import LifeState, Runtime, WorkerId, WorkerType
from smg.workers.spec import ModelCard
from smg.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


W = TypeVar("W", bound=Worker)
Key: TypeAlias = "tuple[type[Worker], WorkerType, str | None, Runtime | None]"
Group: TypeAlias = "tuple[str, WorkerType]"
"""A model, by any of its names, and the part of inference that its workers perform."""

ANY_MODEL: Final = ""
"""Stands in keys for a model nobody listed: external workers take it."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All workers at one moment; safe to keep across an ``await``, though a worker may leave meanwhile.

    Attributes:
        workers: Every registered worker in the order of registration, those that leave included.
        candidates: The workers for each question that has an answer: the available ones, in panic others too.
        names: Each model name or alias that some worker serves, with its card.
        served: Each of those names with each class of worker that serves it, whatever the workers' state.
        undiscovered: Some worker has not yet told what it serves, so a model that is not known may become so.
        panics: The groups in which so few workers are ready that their health is ignored.
    """

    workers: Mapping[WorkerId, Worker] = field(default_factory=dict)
    candidates: Mapping[Key, tuple[Worker, ...]] = field(default_factory=dict)
    names: Mapping[str, ModelCard] = field(default_factory=dict)
    served: frozenset[tuple[str, type[Worker]]] = frozenset()
    undiscovered: bool = False
    panics: frozenset[Group] = frozenset()

    def select(
        self,
        worker_class: type[W],
        worker_type: WorkerType = WorkerType.REGULAR,
        *,
        model: str | None = None,
        runtime: Runtime | None = None,
    ) -> tuple[W, ...]:
        """Return the candidates of a class and type; with a model those that serve it, by name or alias."""
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


def assemble(workers: Mapping[WorkerId, Worker], panic_ratio: float = 0.0) -> Fleet:
    """Take a picture of ``workers`` as they are now; health counts unless fewer than ``panic_ratio`` are ready."""
    names = _names(workers.values())
    panics = frozenset(_panics(workers.values(), names, panic_ratio))
    found: dict[Key, list[Worker]] = {}
    for worker in workers.values():
        for key in _keys(worker, _takes(worker, names, panics)):
            found.setdefault(key, []).append(worker)
    return Fleet(
        MappingProxyType(dict(workers)),
        MappingProxyType({key: tuple(group) for key, group in found.items()}),
        MappingProxyType(names),
        frozenset(_serving(workers.values(), names)),
        any(worker.undiscovered for worker in workers.values()),
        panics,
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


def _panics(workers: Iterable[Worker], names: Mapping[str, ModelCard], ratio: float) -> Iterator[Group]:
    """Yield the groups that panic; new workers and those that leave count neither way."""
    ready: Counter[Group] = Counter()
    known: Counter[Group] = Counter()
    for worker in workers if ratio else ():
        if worker.life.state in {LifeState.READY, LifeState.UNHEALTHY}:
            groups = [(model, worker.worker_type) for model in _served(worker, names)]
            known.update(groups)
            ready.update(groups if worker.life.state is LifeState.READY else ())
    yield from (group for group, count in known.items() if ready[group] < ratio * count)


def _takes(worker: Worker, names: Mapping[str, ModelCard], panics: frozenset[Group]) -> Sequence[str | None]:
    """Return the models that a worker may be given requests of now; None stands for any, and is first."""
    if worker.available:
        return (None, *_served(worker, names))
    if worker.life.state is not LifeState.UNHEALTHY or not worker.breaker.allows():
        return ()
    panicking = [model for model in _served(worker, names) if (model, worker.worker_type) in panics]
    return (None, *panicking) if panicking else ()


def _keys(worker: Worker, models: Iterable[str | None]) -> Iterator[Key]:
    for model in models:
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
