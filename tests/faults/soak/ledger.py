"""The attempts under judgement, found by their request, and the script that each is given."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import override

from tests.faults.back.book import Attempt, Book
from tests.faults.back.steps import Play
from tests.faults.soak.said import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.back.steps import Script

RECENT = 2_000
STREAMED = ("stream.", "leaving.", "slow.")
"""How the ids of requests begin that are answered by a stream."""


@dataclass
class Ledger(Book):
    """A book that forgets what has been judged.

    Attributes:
        total: Attempts ever begun.
        late: Ids of requests tried again after they had been judged.
    """

    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=RECENT))  # type: ignore[assignment]
    total: int = 0
    late: list[str] = field(default_factory=list)
    _open: dict[str, list[Attempt]] = field(default_factory=dict)
    _judged: set[str] = field(default_factory=set)

    @override
    def begin(self, request_id: str, backend: str, connection: int) -> Attempt:
        if request_id in self._judged:
            self.late.append(request_id)
        attempt = super().begin(request_id, backend, connection)
        self._open.setdefault(request_id, []).append(attempt)
        self.total += 1
        return attempt

    @override
    def of(self, request_id: str) -> list[Attempt]:
        return self._open.get(request_id, [])

    def judged(self, request_id: str) -> None:
        """Forget a request; it must not come again."""
        self._judged.add(request_id)
        self._open.pop(request_id, None)


@dataclass
class Asked(Play):
    """Has each engine say what is its own to say, unless it is ill.

    Attributes:
        ill: What an ill engine makes of what it would have said, by the engine's name.
    """

    acts: tuple[Script, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    ill: dict[str, Callable[[Said], Script]] = field(default_factory=dict)

    @override
    def act(self, attempt: Attempt) -> Script:
        said = Said(attempt.request_id, attempt.backend, attempt.request_id.startswith(STREAMED))
        return self.ill.get(attempt.backend, well)(said)


def well(said: Said) -> Script:
    """Say all of it."""
    return said.grpc() if said.backend.startswith("grpc") else said.http()
