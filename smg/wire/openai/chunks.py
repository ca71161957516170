"""What chunks and bodies of OpenAI's two text endpoints have in common, written once per answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from smg.wire.openai.answer_style import Usage, usage_fields
from smg.wire.sse import DONE, data_event

LOWEST: Final = -9999.0
"""Stands for a probability of zero, whose logarithm JSON cannot hold; engines answer with the same."""

EVENT_END: Final = b"]}\n\n"

encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class UsageWishes:
    """Where the caller wants the usage of a stream.

    Attributes:
        at_end: In one more chunk without choices.
        in_chunks: So far, in every chunk.
    """

    at_end: bool = False
    in_chunks: bool = False


NO_USAGE: Final = UsageWishes()


class Begun(dict[int, bytes]):
    """By a choice's index what each of its events begins with; as many as there are choices."""

    def __init__(self, opening: bytes) -> None:
        super().__init__()
        self._opening = opening

    def __missing__(self, index: int) -> bytes:
        begun = self[index] = b'data: %b{"index":%d,' % (self._opening, index)
        return begun


class Envelope:
    """The members that every chunk or body of one answer repeats.

    Attributes:
        opening: JSON up to the bracket that opens ``choices``.
        begun: The beginning of every event about one choice, up to the comma before its second member.
    """

    def __init__(self, kind: str, answer_id: str, model: str, created: int) -> None:
        head = encode({"id": answer_id, "object": kind, "created": created, "model": model})
        self.opening = head[:-1] + b',"choices":['
        self.begun = Begun(self.opening)

    @staticmethod
    def ended(usage: Usage | None) -> bytes:
        """Return the end of an event behind its choice, with the usage so far if it is given."""
        return EVENT_END if usage is None else b'],"usage":' + encode(usage_fields(usage)) + b"}\n\n"

    def end(self, usage: Usage | None) -> bytes:
        """Return the events that end a stream: the usage if it is given, and the mark of the end."""
        return DONE if usage is None else data_event(self.body([], usage)) + DONE

    def body(self, choices: list[bytes], usage: Usage) -> bytes:
        """Return a whole body."""
        return self.opening + b",".join(choices) + b'],"usage":' + encode(usage_fields(usage)) + b"}"


def finite(logprob: float | None) -> float | None:
    """Return a log-probability that JSON can hold."""
    return None if logprob is None else max(logprob, LOWEST)
