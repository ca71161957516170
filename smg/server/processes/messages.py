"""What the supervisor and its processes say to one another."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import msgspec

from smg.core.errors import (
    ConflictError,
    FleetFullError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
)
from smg.core.words import WorkerId  # noqa: TC001  (as all below, read when a message is)
from smg.server.processes.figures import Family  # noqa: TC001
from smg.server.schema import Settings  # noqa: TC001
from smg.workers.spec import WorkerSpec  # noqa: TC001

REPORT_SECS = 1.0
"""How often a process tells its figures, unasked."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One thing said; its name goes with it."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One worker of the fleet, as every process knows it.

    Attributes:
        seat: Where its requests in flight are counted, from 0 on; no other worker's.
    """

    id: WorkerId
    spec: WorkerSpec
    source: str
    seat: int


class Begin(Message, frozen=True, kw_only=True):
    """To a new process: be this one.

    Attributes:
        number: Which process it is, 1 to the number of processes.
        settings: The whole gateway's, with the port that was found, and without workers.
        members: The fleet as it is now.
        healthy: URLs of those that other processes give requests to.
    """

    number: int
    settings: Settings
    members: tuple[Member, ...]
    healthy: frozenset[str]


class Ready(Message, frozen=True, kw_only=True):
    """From a process: it could accept callers; it does once that is answered, so that none begins before the others."""


class Listening(Message, frozen=True, kw_only=True):
    """From a process: callers are accepted."""


class Failed(Message, frozen=True, kw_only=True):
    """From a process that ends, since its settings cannot be used; says why."""

    reason: str


class Drain(Message, frozen=True, kw_only=True):
    """To a process: finish what runs, then end."""


class Hurry(Message, frozen=True, kw_only=True):
    """To a process: end now."""


class Turn(Enum):
    """What becomes of a worker."""

    ADD = "add"
    CHANGE = "change"  # a new transport only where it has to be
    REBUILD = "rebuild"
    REMOVE = "remove"


class Change(Message, frozen=True, kw_only=True):
    """To every process: the fleet is now so."""

    turn: Turn
    member: Member


class Look(Message, frozen=True, kw_only=True):
    """To a process: tell your figures."""


class Report(Message, frozen=True, kw_only=True):
    """From a process, asked or not: all its metrics now; none as long as it begins."""

    families: tuple[Family, ...]


class AddWorker(Message, frozen=True, kw_only=True):
    """From a process: somebody wants a new worker."""

    spec: WorkerSpec
    source: str


class ReplaceWorker(Message, frozen=True, kw_only=True):
    """From a process: somebody wants a worker registered anew."""

    id: WorkerId
    spec: WorkerSpec


class PatchWorker(Message, frozen=True, kw_only=True):
    """From a process: somebody wants fields of a worker changed."""

    id: WorkerId
    changes: dict[str, Any]


class RemoveWorker(Message, frozen=True, kw_only=True):
    """From a process: somebody wants a worker out."""

    id: WorkerId


class ResolveWorker(Message, frozen=True, kw_only=True):
    """From a process: a worker answered at this URL, which tells its mode."""

    id: WorkerId
    url: str


class ExpandWorker(Message, frozen=True, kw_only=True):
    """From a process: a worker's engine has ranks, and these are to stand for it."""

    id: WorkerId
    specs: tuple[WorkerSpec, ...]


class Accepted(Message, frozen=True, kw_only=True):
    """The answer to each of these six: done, and every process knows; these workers are new or other now."""

    ids: tuple[WorkerId, ...]


class Done(Message, frozen=True, kw_only=True):
    """The answer of one that has nothing to tell."""


class Fault(Message, frozen=True, kw_only=True):
    """The answer of one that refuses."""

    code: str
    message: str
    param: str | None = None


Write: TypeAlias = AddWorker | ReplaceWorker | PatchWorker | RemoveWorker | ResolveWorker | ExpandWorker
AnyMessage: TypeAlias = (
    Begin | Ready | Listening | Failed | Drain | Hurry | Change | Look | Report | Write | Accepted | Done | Fault
)

REFUSALS: tuple[type[GatewayError], ...] = (InvalidRequestError, NotFoundError, ConflictError, FleetFullError)
"""The errors that keep their kind on the way; others arrive as faults of the gateway."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A message on its way.

    Attributes:
        number: Of the question; 0 wants no answer.
        answers: Whether this is the answer to it.
    """

    number: int
    answers: bool
    message: AnyMessage


def fault(error: GatewayError) -> Fault:
    """Return an error as it travels."""
    return Fault(code=error.code, message=error.message, param=error.param)


def raised(told: Fault) -> GatewayError:
    """Return the error that travelled."""
    kind = next((kind for kind in REFUSALS if kind.code == told.code), GatewayError)
    return kind(told.message, param=told.param)
