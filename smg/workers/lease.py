"""A lease ties one request to a worker until its last byte and reports exactly one outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from mypy_extensions import mypyc_attr

from smg.core.words import Outcome

if TYPE_CHECKING:
    from types import TracebackType

    from smg.resilience.breaker import Ticket


@mypyc_attr(allow_interpreted_subclasses=True)
class Leasable(ABC):
    """What a lease takes from and gives back to."""

    @abstractmethod
    def occupy(self, tokens: int) -> Ticket:
        """Count one more request in flight, or raise LeaseRefusedError and change nothing."""

    @abstractmethod
    def vacate(self, tokens: int) -> None:
        """Count it out again."""


class Lease:
    """Holds a worker's in-flight slot inside its ``with`` block.

    Exactly one outcome is reported, whatever path leaves the block: the first one given to ``settle``,
    FAILED on an exception, else ABANDONED. Cancellation is the caller's doing and never counts as failed.

    Raises:
        LeaseRefusedError: On entering, when the worker's breaker or its limit lets nobody in.
    """

    __slots__ = ("_holder", "_ticket", "_tokens", "outcome")

    def __init__(self, holder: Leasable, tokens: int) -> None:
        self._holder = holder
        self._tokens = tokens
        self.outcome: Outcome | None = None

    def settle(self, outcome: Outcome) -> None:
        """Name the outcome; the first verdict stands."""
        self.outcome = self.outcome or outcome

    def __enter__(self) -> Self:
        self._ticket = self._holder.occupy(self._tokens)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle(Outcome.FAILED if isinstance(exc, Exception) else Outcome.ABANDONED)
        assert self.outcome is not None  # noqa: S101
        self._holder.vacate(self._tokens)
        self._ticket.settle(self.outcome)
