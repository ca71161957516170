"""Watches one worker: probes it, learns what it is, and moves it through its life.

Theory: a worker becomes READY by one good probe, its facts, and its tokenizer where it needs one. A ready worker
whose probes fail often enough is UNHEALTHY, and comes back by good ones. After any bad probe the engine may be a new
one, so its facts are read again; if it restarted, the epoch counts up. One probe is in flight at a time, nothing is
given up for good, and no failure here ends more than the step it happened in. A worker that is not to be probed is
believed once it is known what it serves; from then on its breaker alone judges it, by the requests it is sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from smg.core.errors import GatewayError
from smg.core.events import ProbeEnded, TaskFailed
from smg.core.words import LifeState
from smg.workers.detection import UnprobedWorker
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.tokenizers import TokenizerMissingError

if TYPE_CHECKING:
    import random

    from smg.core.clock import Clock
    from smg.core.generation import EngineFacts
    from smg.core.observers import Observer
    from smg.workers.tokenizers import TokenizerSource
    from smg.workers.worker import Worker

JITTER_RATIO = 0.2
LEARN_SECS = 300.0
MAX_LEARN_BACKOFF_SECS = 30.0


class Home(Protocol):
    """Who keeps the worker, and can put others in its place."""

    async def resolve(self, worker: UnprobedWorker) -> None:
        """Replace a worker whose mode was found; raises ConflictError if that URL is taken."""
        ...

    async def expand(self, worker: Worker) -> bool:
        """Replace a worker by one per rank where that is wanted; return whether that was done."""
        ...


class HealthMonitor:
    """The watch over one worker, from its registration until it leaves."""

    def __init__(
        self,
        worker: Worker,
        home: Home,
        *,
        tokenizers: TokenizerSource | None,
        clock: Clock,
        observer: Observer,
        random: random.Random,
    ) -> None:
        self._worker = worker
        self._home = home
        self._tokenizers = tokenizers
        self._clock = clock
        self._observer = observer
        self._random = random
        self._begun = clock.now()
        self._good = 0
        self._bad = 0
        self._stale = True  # what is known of the engine must be read (again)
        self._learn_backoff = 0.0

    async def run(self) -> None:
        """Watch until the worker leaves, or is replaced, or needs no watching."""
        while (pause := await self._step_on()) is not None:  # noqa: ASYNC110 - time passes, nobody signals
            await asyncio.sleep(pause)

    async def _step_on(self) -> float | None:
        """Take a step; a bug in it is told of, and ends no more than that: a worker must not go unwatched."""
        try:
            return await self.step()
        except Exception as bug:  # noqa: BLE001  (nobody further out could go on)
            self._observer.notify(TaskFailed(f"watch over {self._worker.id}", bug))
            return self._pause()

    async def step(self) -> float | None:
        """Probe once and draw the conclusions; return the seconds until the next step, None for never."""
        state = self._worker.life.state
        if state in {LifeState.DRAINING, LifeState.GONE}:
            return None
        if self._worker.passive:
            return await self._believe()
        healthy = await self._probe()
        if state is LifeState.PENDING:
            return await self._join() if healthy else self._wait(self._worker.probe_error)
        await self._judge(healthy=healthy)
        return self._pause()

    async def _believe(self) -> float | None:
        """Take a worker in that is not to be probed, and leave it to its breaker from then on."""
        if self._worker.life.state is LifeState.PENDING:
            return await self._join()
        if self._worker.life.state is LifeState.UNHEALTHY:
            await self._return()
        elif self._stale:
            await self._learn()
        return self._pause() if self._stale else None

    async def _probe(self) -> bool:
        begun = self._clock.now()
        healthy = await self._worker.probe()
        self._good, self._bad = (self._good + 1, 0) if healthy else (0, self._bad + 1)
        self._stale = self._stale or not healthy
        self._observer.notify(ProbeEnded(self._worker.id, healthy, self._clock.now() - begun))
        return healthy

    async def _join(self) -> float | None:
        """Bring a new worker in, now that it answers."""
        try:
            if isinstance(self._worker, UnprobedWorker):
                await self._home.resolve(self._worker)
                return None
            if (problem := await self._learn()) is not None:
                return self._wait(problem, self._backed_off())
            if await self._home.expand(self._worker):
                return None
        except GatewayError as error:  # its URL is taken, or the fleet is full
            return self._wait(error.message, self._backed_off())
        if self._worker.passive:
            self._worker.move(LifeState.READY, "known, and not probed")
            return None
        self._worker.move(LifeState.READY, "answers and is known")
        return self._pause()

    async def _judge(self, *, healthy: bool) -> None:
        ready = self._worker.life.state is LifeState.READY
        if self._bad >= (self._worker.settings.health.failure_threshold if ready else 1):
            self._worker.move(LifeState.UNHEALTHY, self._worker.probe_error)
        elif not ready and self._good >= self._worker.settings.health.success_threshold:
            await self._return()
        elif ready and healthy and self._stale:
            await self._learn()

    async def _return(self) -> None:
        """Bring a worker back that was away: an engine that cannot tell restarts counts as restarted."""
        problem = await self._learn(away=True)
        if problem is None:
            self._worker.move(LifeState.READY, "answers again")
        else:
            self._worker.move(LifeState.UNHEALTHY, problem)

    async def _learn(self, *, away: bool = False) -> str | None:
        """Read facts, models and tokenizer; return what is missing, None if nothing is."""
        known = self._worker.life.state is not LifeState.PENDING
        try:
            async with asyncio.timeout(LEARN_SECS):
                await self._worker.discover()
                self._worker.changed()
                if not self._worker.models and not self._worker.any_model:
                    return "lists no models"
                await self._attach()
        except GatewayError as error:
            return f"not yet known: {error.message}"
        except TokenizerMissingError as error:
            return f"no tokenizer: {error}"
        except TimeoutError:
            return "took too long to tell what it serves"
        old, self._worker.learnt = self._worker.learnt, self._worker.facts
        self._stale, self._learn_backoff = False, 0.0
        if known and restarted(old, self._worker.facts, away=away):
            self._worker.epoch += 1
            self._worker.renew()  # what led to the engine that was, leads nowhere now
        return None

    async def _attach(self) -> None:
        if self._tokenizers is not None and isinstance(self._worker, GrpcWorker):
            await self._tokenizers.attach(self._worker)

    def _wait(self, reason: str, secs: float | None = None) -> float:
        """Stay pending for ``reason``."""
        allowed = self._worker.settings.health.startup_timeout_secs
        if self._clock.now() - self._begun > allowed:
            reason = f"{reason} (for more than {allowed:g} s)"
        self._worker.move(LifeState.PENDING, reason)
        return self._pause() if secs is None else secs

    def _backed_off(self) -> float:
        self._learn_backoff = min(max(1.0, self._learn_backoff * 2), MAX_LEARN_BACKOFF_SECS)
        return self._spread(self._learn_backoff)

    def _pause(self) -> float:
        health = self._worker.settings.health
        calm = self._worker.life.state is LifeState.READY and not self._bad
        return self._spread(health.check_interval_secs if calm else health.retry_interval_secs)

    def _spread(self, secs: float) -> float:
        return secs * self._random.uniform(1 - JITTER_RATIO, 1 + JITTER_RATIO)


def restarted(old: EngineFacts, new: EngineFacts, *, away: bool) -> bool:
    """Whether the engine is a new one; one that never tells is believed to be new after it was ``away``."""
    if old.instance or new.instance:
        return old.instance != new.instance
    return away
