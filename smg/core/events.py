"""What lower layers tell: frozen facts, told to an ``Observer`` that logs and counts them.

Lower layers never log. ``server`` plugs in the observers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from smg.core.request import Trail
    from smg.core.words import ConnectionMode, LifeState, Outcome, WorkerId, WorkerType


class RequestFinished(msgspec.Struct, frozen=True, gc=False):
    """One request was answered, or its caller left (status 499); told exactly once per request.

    Attributes:
        trail: All that became known of it, its status included.
        first_byte_secs: From the request's head to the answer's; None if no answer was begun.
        duration_secs: From the request's head to the answer's end.
    """

    request_id: str
    method: str
    trail: Trail
    first_byte_secs: float | None
    duration_secs: float


class AttemptEnded(msgspec.Struct, frozen=True, gc=False):
    """One try at one worker ended; ``attempt`` 1 is the first."""

    request_id: str
    worker_id: WorkerId
    mode: ConnectionMode | None
    attempt: int
    outcome: Outcome
    error_code: str | None
    elapsed_secs: float


@dataclass(frozen=True, slots=True)
class WorkerAdded:
    """A worker was put into the fleet."""

    worker_id: WorkerId
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class WorkerRemoved:
    """A worker left the fleet; its transport is closed."""

    worker_id: WorkerId
    url: str


@dataclass(frozen=True, slots=True)
class WorkerLifeChanged:
    """A worker moved from one state of life to another."""

    worker_id: WorkerId
    url: str
    old: LifeState
    new: LifeState
    reason: str


@dataclass(frozen=True, slots=True)
class BreakerMoved:
    """A worker's circuit breaker changed its state: ``closed``, ``open`` or ``half_open``."""

    worker_id: WorkerId
    url: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PanicChanged:
    """So few of a model's workers are ready that their health is ignored from now on, or no more.

    Attributes:
        model: Any name callers may use; a model with aliases is told once for each.
    """

    model: str
    worker_type: WorkerType
    panicking: bool


@dataclass(frozen=True, slots=True)
class ProbeEnded:
    """One health probe came back; counted, never logged."""

    worker_id: WorkerId
    healthy: bool
    elapsed_secs: float


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """One of several processes was started at its post, 1 to their number."""

    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """It ended, with an exit code or the negative number of a signal; ``wanted`` where the gateway ends, too."""

    number: int
    pid: int
    code: int
    wanted: bool


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """A background task ended by an exception: a bug of ours."""

    name: str
    error: BaseException


Event: TypeAlias = (
    RequestFinished
    | AttemptEnded
    | WorkerAdded
    | WorkerRemoved
    | WorkerLifeChanged
    | BreakerMoved
    | PanicChanged
    | ProbeEnded
    | ProcessStarted
    | ProcessEnded
    | TaskFailed
)
