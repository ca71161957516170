"""Shapes that the messages of several engine protocols share, field for field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class TopMessage(Protocol):
    """Alternatives of one token, in parallel lists."""

    @property
    def values(self) -> Sequence[float]:
        """Log-probabilities."""
        ...

    @property
    def token_ids(self) -> Sequence[int]:
        """Ids, one per value."""
        ...


class LogprobsMessage(Protocol):
    """Log-probabilities of several tokens, in parallel lists."""

    @property
    def token_ids(self) -> Sequence[int]:
        """Ids, one per token."""
        ...

    @property
    def top_logprobs(self) -> Sequence[TopMessage]:
        """Alternatives, one entry per token or none at all."""
        ...


class OutputLogprobsMessage(LogprobsMessage, Protocol):
    """Of generated tokens."""

    @property
    def token_logprobs(self) -> Sequence[float]:
        """One per token."""
        ...


class InputLogprobMessage(Protocol):
    """One log-probability, or none."""

    @property
    def value(self) -> float:
        """The log-probability, if the field is set."""
        ...

    def HasField(self, field_name: Literal["value"]) -> bool:  # noqa: N802 - protobuf's name
        """Return whether there is one."""
        ...


class InputLogprobsMessage(LogprobsMessage, Protocol):
    """Of a prompt's tokens."""

    @property
    def token_logprobs(self) -> Sequence[InputLogprobMessage]:
        """One per token."""
        ...


class AnswerMessage(Protocol):
    """A chunk or a complete."""

    @property
    def index(self) -> int:
        """Which of the answers."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        ...

    @property
    def cached_tokens(self) -> int:
        """Those of them that were cached."""
        ...

    @property
    def output_logprobs(self) -> OutputLogprobsMessage:
        """Absent or empty where none were asked for."""
        ...

    def HasField(self, field_name: Literal["output_logprobs"]) -> bool:  # noqa: N802 - protobuf's name
        """Return whether there are any."""
        ...


class ScoredMessage(AnswerMessage, Protocol):
    """A chunk or a complete of an engine that scores prompts."""

    @property
    def input_logprobs(self) -> InputLogprobsMessage:
        """Absent or empty where none were asked for."""
        ...

    def HasField(self, field_name: Literal["output_logprobs", "input_logprobs"]) -> bool:  # noqa: N802 - protobuf's name
        """Return whether there are any."""
        ...


class MatchedMessage(Protocol):
    """A complete that names what ended it."""

    @property
    def matched_token_id(self) -> int:
        """Stop token."""
        ...

    @property
    def matched_stop_str(self) -> str:
        """Stop string."""
        ...

    def WhichOneof(self, oneof_group: Literal["matched_stop"]) -> str | None:  # noqa: N802 - protobuf's name
        """Return which of the two is set."""
        ...
