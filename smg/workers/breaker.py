"""The place of a worker's circuit breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from smg.core.words import Outcome


class Breaker(Protocol):
    """Decides from outcomes whether a worker is to be trusted with requests."""

    def allows(self) -> bool:
        """Whether a request may be sent now; asks nothing and changes nothing."""
        ...

    def record(self, outcome: Outcome) -> None:
        """Learn how one request ended."""
        ...


class AlwaysClosed:
    """Trusts always."""

    def allows(self) -> bool:
        """Say yes."""
        return True

    def record(self, outcome: Outcome) -> None:
        """Ignore ``outcome``."""
