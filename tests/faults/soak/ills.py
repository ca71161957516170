"""What can befall one worker, and how it gets well again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tests.faults.back.http_backend import Door
from tests.faults.back.http_words import chunk, error_body, plain
from tests.faults.back.steps import Close, Reset, ResetStream, Send, Silence, Status, Wait
from tests.faults.soak.field import FROZEN
from tests.faults.soak.ledger import well

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.back.steps import Script
    from tests.faults.soak.field import Field
    from tests.faults.soak.said import Said

SLOW_SECS = 1.0
GARBAGE = Send(bytes(range(256)))


class Ill(ABC):
    """One kind of fault.

    Attributes:
        mode: ``http`` or ``grpc``: whom it can befall; empty: anybody.
    """

    mode: ClassVar[str] = ""

    @abstractmethod
    async def begin(self, field: Field, backend: Any) -> None:
        """Make one worker ill."""

    @abstractmethod
    async def heal(self, field: Field, backend: Any) -> None:
        """Make it well again."""


@dataclass(frozen=True)
class Saying(Ill):
    """It answers otherwise than it should."""

    says: Callable[[Said], Script]

    @override
    async def begin(self, field: Field, backend: Any) -> None:
        field.play.ill[backend.name] = self.says

    @override
    async def heal(self, field: Field, backend: Any) -> None:
        del field.play.ill[backend.name]


class HttpSaying(Saying):
    """The same, for HTTP."""

    mode: ClassVar[str] = "http"


class GrpcSaying(Saying):
    """The same, for gRPC."""

    mode: ClassVar[str] = "grpc"


@dataclass(frozen=True)
class Shut(Ill):
    """Its door is not open."""

    mode: ClassVar[str] = "http"
    door: Door

    @override
    async def begin(self, field: Field, backend: Any) -> None:
        await backend.door(self.door)

    @override
    async def heal(self, field: Field, backend: Any) -> None:
        await backend.door(Door.OPEN)


class Refused(Ill):
    """Connections are refused, and those there are are reset."""

    mode: ClassVar[str] = "grpc"

    @override
    async def begin(self, field: Field, backend: Any) -> None:
        await backend.refuse()

    @override
    async def heal(self, field: Field, backend: Any) -> None:
        await backend.listen()


class Frozen(Ill):
    """Nothing is read and nothing is sent."""

    mode: ClassVar[str] = "grpc"

    @override
    async def begin(self, field: Field, backend: Any) -> None:
        backend.thawed.clear()

    @override
    async def heal(self, field: Field, backend: Any) -> None:
        backend.thawed.set()


class GoneAway(Ill):
    """Connections are ended in good order, once a second."""

    mode: ClassVar[str] = "grpc"

    @override
    async def begin(self, field: Field, backend: Any) -> None:
        for second in range(3):
            asyncio.get_running_loop().call_later(second, backend.goaway)

    @override
    async def heal(self, field: Field, backend: Any) -> None:
        """Have nothing to mend."""


class Removed(Ill):
    """It is taken out of the fleet, and put in again."""

    @override
    async def begin(self, field: Field, backend: Any) -> None:
        await field.remove(backend)

    @override
    async def heal(self, field: Field, backend: Any) -> None:
        await field.add(backend)


def cut(said: Said, *end: Any) -> Script:
    """Break off in the middle, or before a plain answer's middle."""
    steps = list(well(said))
    whole = steps[-1]
    if not said.stream and isinstance(whole, Send):
        return [Send(whole.data[: len(whole.data) // 2]), *end]
    return [*steps[: len(steps) // 2], *end]


def told_error(said: Said) -> Script:
    """Tell an error in the middle of a stream; plain answers are well."""
    return cut(said, Send(chunk(b"data: " + error_body() + b"\n\n") + b"0\r\n\r\n")) if said.stream else well(said)


def failing(status: int, *fields: str) -> Callable[[Said], Script]:
    """Answer with a status."""
    return lambda _: [Send(plain(error_body(), *fields, status=status))]


ILLS: dict[str, Ill] = {
    "http-refused": Shut(Door.REFUSED),
    "http-shut": Shut(Door.SHUT),
    "http-blackhole": Shut(Door.BLACKHOLE),
    "http-reset": HttpSaying(lambda _: [Reset()]),
    "http-silent": HttpSaying(lambda _: [Silence()]),
    "http-500": HttpSaying(failing(500)),
    "http-503": HttpSaying(failing(503, "Retry-After: 1")),
    "http-cut": HttpSaying(lambda said: cut(said, Reset())),
    "http-closed": HttpSaying(lambda said: cut(said, Close())),
    "http-stalled": HttpSaying(lambda said: cut(said, Silence())),
    "http-error-event": HttpSaying(told_error),
    "http-garbage": HttpSaying(lambda _: [GARBAGE, Reset()]),
    "grpc-refused": Refused(),
    FROZEN: Frozen(),
    "grpc-goaway": GoneAway(),
    "grpc-silent": GrpcSaying(lambda _: [Silence()]),
    "grpc-internal": GrpcSaying(lambda _: [Status(13)]),
    "grpc-unavailable": GrpcSaying(lambda _: [Status(14)]),
    "grpc-cut": GrpcSaying(lambda said: cut(said, Reset())),
    "grpc-reset-stream": GrpcSaying(lambda said: cut(said, ResetStream(2))),
    "grpc-garbage": GrpcSaying(lambda _: [GARBAGE, Reset()]),
    "slow": Saying(lambda said: [Wait(SLOW_SECS), *well(said)]),
    "removed": Removed(),
}
