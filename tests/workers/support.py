"""Workers for tests, and what they are made from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import msgspec
from typing_extensions import override

from smg.core.clock import MonotonicClock
from smg.core.generation import Generation, Sampling
from smg.core.observers import Observer
from smg.core.words import WorkerId
from smg.resilience.settings import ClockSettings
from smg.workers.factory import WorkerFactory
from smg.workers.grpc_worker import GrpcWorker
from smg.workers.http_worker import HttpWorker
from smg.workers.settings import HealthSettings, WorkerDefaults
from smg.workers.spec import read_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from smg.core.events import Event
    from smg.workers.worker import Worker

T = TypeVar("T", bound="Event")

QUICK = WorkerDefaults(
    health=HealthSettings(check_interval_secs=0.01, retry_interval_secs=0.01, timeout_secs=2.0, drain_secs=5.0),
    timeouts=ClockSettings(connect_secs=2.0, total_secs=20.0),
)


class Recorder(Observer):
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @override
    def notify(self, event: Event) -> None:
        """Keep ``event``."""
        self.events.append(event)

    def of(self, kind: type[T]) -> list[T]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.secs = 0.0

    def now(self) -> float:
        """Return the set time."""
        return self.secs


def factory(defaults: WorkerDefaults = QUICK, observer: Recorder | None = None) -> WorkerFactory:
    """Return a factory with quick health settings."""
    return WorkerFactory(defaults, MonotonicClock(), observer or Recorder())


def build(url: str, *, defaults: WorkerDefaults = QUICK, **spec: object) -> Worker:
    """Return a worker that is not started."""
    return factory(defaults).build(read_spec({"url": url, **spec}), WorkerId("w1"), "test")


def http_worker(url: str, *, defaults: WorkerDefaults = QUICK, **spec: object) -> HttpWorker:
    """Return an HTTP worker that is not started."""
    worker = build(url, defaults=defaults, **spec)
    assert isinstance(worker, HttpWorker)
    return worker


def grpc_worker(url: str, *, defaults: WorkerDefaults = QUICK, **spec: object) -> GrpcWorker:
    """Return a gRPC worker that is not started."""
    worker = build(url, defaults=defaults, **spec)
    assert isinstance(worker, GrpcWorker)
    return worker


def with_defaults(**changes: object) -> WorkerDefaults:
    """Return the quick defaults with changes."""
    return msgspec.structs.replace(QUICK, **changes)


def generation(request_id: str = "r1", *, n: int = 1, stream: bool = True) -> Generation:
    """Return a small generation."""
    return Generation(
        request_id=request_id, prompt_ids=[1, 2, 3], prompt_text="", sampling=Sampling(n=n, max_tokens=8), stream=stream
    )


async def until(condition: Callable[[], bool], secs: float = 5.0) -> None:
    """Wait until ``condition`` holds."""
    async with asyncio.timeout(secs):
        while not condition():  # noqa: ASYNC110 - the condition has no event of its own
            await asyncio.sleep(0.002)
