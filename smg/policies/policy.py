"""What a policy sees and what it must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.words import WorkerId


class Candidate(Protocol):
    """A worker that could serve this request now, as a policy sees it."""

    @property
    def id(self) -> WorkerId:
        """The worker's id, which outlives every snapshot of the fleet."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests on the worker that have not ended, from this gateway."""
        ...

    @property
    def tokens_in_flight(self) -> int:
        """Estimated prompt tokens of those requests."""
        ...


C = TypeVar("C", bound=Candidate)


class Hint:
    """What a policy may read of the request.

    Attributes:
        model: As the caller spelt it; policies that keep memory keep it per model.
        tokens: Estimated prompt tokens, at least 1.
    """

    __slots__ = ("model", "tokens")

    def __init__(self, model: str, tokens: int) -> None:
        self.model = model
        self.tokens = tokens


class Policy(Protocol):
    """Chooses one worker out of those that could serve a request."""

    def pick(self, candidates: Sequence[C], hint: Hint) -> C:
        """Return one of ``candidates``, which holds at least one.

        Must not block, await or raise: every candidate given is usable.
        """
        ...
