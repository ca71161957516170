"""One inference engine as the gateway knows it: its identity, life, load and facts; its transport is a subclass's."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from smg.core.errors import LeaseRefusedError, UpstreamError
from smg.core.events import BreakerMoved, WorkerLifeChanged
from smg.core.generation import EngineFacts
from smg.core.words import ConnectionMode, LifeState, Runtime
from smg.resilience.breaker import CircuitBreaker
from smg.workers.alarms import Alarms
from smg.workers.cooldown import Cooldown
from smg.workers.lease import Leasable, Lease
from smg.workers.life import Life

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.generation import RankLoad
    from smg.core.words import WorkerType
    from smg.resilience.breaker import BreakerState, Ticket
    from smg.workers.birth import Birth
    from smg.workers.spec import ModelCard


class Worker(Leasable):
    """An engine, and the only way to it.

    Attributes:
        base_url: What is dialled.
        url: The identity; ends in ``@rank`` for a data-parallel rank.
        facts: What the engine tells of itself; replaced by ``discover``.
        learnt: The same when last nothing was missing: a restart must not be lost where learning fails on the way.
        epoch: Counts the engine's restarts the gateway has noticed.
        in_flight: Requests leased now; 0 at rest. Where the gateway has several processes, by this one.
        places: The same of all of them, for the limit.
        tokens_in_flight: Their estimated prompt tokens.
        alarms: For the clocks of its exchanges.
        breaker: Whether to trust it; each lease holds a ticket of it and tells how it ended.
        tokenizer: Of its model, set by the ``TokenizerSource``; None for workers that need none.
        probe_error: Why the last probe failed; empty after a good one.
    """

    connection_mode: ClassVar[ConnectionMode | None]

    def __init__(self, birth: Birth) -> None:
        self.id = birth.id
        self.spec = birth.spec
        self.source = birth.source
        self.address = birth.address
        self.settings = birth.settings
        self.base_url = birth.address.base_url
        self.url = birth.address.url
        self.facts = self.learnt = EngineFacts()
        self.detected = Runtime.UNSPECIFIED
        self.models: tuple[ModelCard, ...] = birth.spec.models
        self.epoch = 0
        self.in_flight = 0
        self.tokens_in_flight = 0
        self.breaker = CircuitBreaker(birth.settings.breaker, birth.clock, birth.rng, self._breaker_moved)
        self.tokenizer: Any = None
        self.probe_error = ""
        self.changed: Callable[[], None] = _nobody_listens
        self.places = birth.places
        self.alarms = Alarms()
        self._clock = birth.clock
        self._observer = birth.observer
        self._cooldown = Cooldown(self.breaker, birth.clock, self._tell_change)
        self._idle = asyncio.Event()
        self._idle.set()
        self.life = Life(LifeState.PENDING, "not yet probed", birth.clock.now())

    def __repr__(self) -> str:
        state = self.life.state.value
        return f"<{type(self).__name__} {self.id} {self.worker_type.value} {state} in_flight={self.in_flight}>"

    @property
    def rank(self) -> int | None:
        """Data-parallel rank; None where the worker has none, 0 is a rank."""
        return self.address.rank

    @property
    def worker_type(self) -> WorkerType:
        """The part of inference it performs."""
        return self.spec.worker_type

    @property
    def runtime(self) -> Runtime:
        """The engine, as specified or else as detected."""
        return self.detected if self.spec.runtime_type is Runtime.UNSPECIFIED else self.spec.runtime_type

    @property
    def labels(self) -> dict[str, str]:
        """What the engine says of itself, overlaid by what the operator says of it."""
        return {**self.facts.labels, **self.spec.labels}

    @property
    def priority(self) -> int:
        """Higher is preferred."""
        return self.spec.priority

    @property
    def cost(self) -> float:
        """Relative price of a request, at least 0."""
        return self.spec.cost

    @property
    def available(self) -> bool:
        """Whether it may be given a request now: ready, and trusted by its breaker."""
        return self.life.state is LifeState.READY and self.breaker.allows()

    @property
    def passive(self) -> bool:
        """Whether it is never probed: its operator wants it so, or it is a provider, who counts what it is sent."""
        unwanted = self.settings.health.disable_health_check or self.runtime is Runtime.EXTERNAL
        return unwanted and self.connection_mode is not None

    @property
    def any_model(self) -> bool:
        """Whether it takes every model name: an external provider whose models nobody listed."""
        return self.runtime is Runtime.EXTERNAL and not self.models

    @property
    def undiscovered(self) -> bool:
        """Whether it is new, and what it serves is not yet known."""
        return self.life.state is LifeState.PENDING and not self.models and not self.any_model

    def serves(self, model: str) -> bool:
        """Whether ``model`` is a name or alias of a model it has."""
        return self.any_model or any(model == card.id or model in card.aliases for card in self.models)

    def canonical(self, model: str) -> str:
        """Return the name by which the engine knows ``model``; an unknown name comes back as it is."""
        return next((card.id for card in self.models if model == card.id or model in card.aliases), model)

    def lease(self, tokens: int) -> Lease:
        """Return a claim on a slot for a request of about ``tokens`` prompt tokens; it counts inside ``with``."""
        return Lease(self, tokens)

    @override
    def occupy(self, tokens: int) -> Ticket:
        """Count a request in; called by its lease. Raises LeaseRefusedError."""
        most = self.settings.pool.max_in_flight
        if self.in_flight >= most or not self.places.take(most):
            raise LeaseRefusedError("the worker has as many requests as it may")
        ticket = self.breaker.admit()
        if ticket is None:
            self.places.give()
            raise LeaseRefusedError("the worker is not trusted now")
        if not self.in_flight:
            self._idle.clear()
        self.in_flight += 1
        self.tokens_in_flight += tokens
        return ticket

    @override
    def vacate(self, tokens: int) -> None:
        """Count a request out; called by its lease, once."""
        self.places.give()
        self.in_flight -= 1
        self.tokens_in_flight -= tokens
        if self.in_flight == 0:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is in flight."""
        await self._idle.wait()

    def move(self, state: LifeState, reason: str) -> None:
        """Go to ``state``, or give a new reason for staying; tells of a change of state.

        Raises:
            ValueError: The move is not legal.
        """
        old = self.life
        self.life = old.move(state, reason, self._clock.now())
        if state is LifeState.READY:
            self.breaker.half_open_now()  # it answers again: no need to wait for the cooldown
        if state is not old.state:
            self._observer.notify(WorkerLifeChanged(self.id, self.url, old.state, state, reason))
            self.changed()

    def retire(self) -> None:
        """Stop taking requests without telling: another worker has taken this one's place and id."""
        self.changed = _nobody_listens
        self.life = self.life.move(LifeState.DRAINING, "replaced", self._clock.now())

    def _breaker_moved(self, old: BreakerState, new: BreakerState) -> None:
        """Tell of the move, and have the fleet look again: now, and when time alone lets a request in."""
        if new is not old:
            self._observer.notify(BreakerMoved(self.id, self.url, old.value, new.value))
        self.changed()
        self._cooldown.follow()

    def _tell_change(self) -> None:
        self.changed()  # whoever listens now

    def adopt(self, old: Worker) -> None:
        """Take over what is known of the engine from the worker this one replaces; not its load."""
        self.facts, self.learnt, self.epoch, self.tokenizer = old.facts, old.learnt, old.epoch, old.tokenizer
        self.models = self.spec.models or old.models
        if self.connection_mode is old.connection_mode:  # else it has yet to answer that way
            self.detected, self.life = old.detected, old.life

    async def probe(self) -> bool:
        """Ask once whether the engine is well, within the probe timeout; False before start and after close."""
        try:
            async with asyncio.timeout(self.settings.health.timeout_secs):
                await self.check_health()
        except UpstreamError as error:
            self.probe_error = error.message
        except TimeoutError:
            self.probe_error = "the probe timed out"
        else:
            self.probe_error = ""
        return not self.probe_error

    @abstractmethod
    async def start(self) -> None:
        """Build the transport, connecting to nobody yet; may be called twice.

        Raises:
            OSError: A certificate or key cannot be read.
        """

    @abstractmethod
    def renew(self) -> None:
        """Have new requests go by a fresh transport; does nothing before ``start`` and after ``aclose``.

        What runs finishes on the old one, which is closed then, at the latest after the ``drain_secs`` of its health
        settings.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close the transport and end what runs over it; may be called twice, and before ``start``."""

    @abstractmethod
    async def check_health(self) -> None:
        """Raise an UpstreamError unless the engine says it is well."""

    @abstractmethod
    async def discover(self) -> None:
        """Learn the engine's facts, its runtime and its models; raises UpstreamError."""

    @abstractmethod
    async def abort(self, request_id: str) -> None:
        """Ask the engine to stop a request; raises UpstreamError."""

    @abstractmethod
    async def flush_cache(self) -> None:
        """Drop the engine's prefix cache; raises UpstreamError."""

    @abstractmethod
    async def loads(self) -> list[RankLoad]:
        """Return the load of each rank as the engine reports it; raises UpstreamError."""

    @abstractmethod
    async def server_info(self) -> dict[str, Any]:
        """Return what the engine tells of its server, in its own words; raises UpstreamError."""

    @abstractmethod
    async def model_info(self) -> dict[str, Any]:
        """Return what the engine tells of its model, in its own words; raises UpstreamError."""

    @abstractmethod
    async def health_generate(self) -> None:
        """Let the engine generate a token as a deep check; raises UpstreamError."""


def _nobody_listens() -> None:
    """Stand in until a registry listens."""
