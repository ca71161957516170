"""What chunks and bodies of OpenAI's two text endpoints have in common, written once per answer."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from smg.wire.openai.answer_style import Usage, usage_fields
from smg.wire.sse import DONE, data_event

LOWEST = -9999.0
"""Stands for a probability of zero, whose logarithm JSON cannot hold; engines answer with the same."""

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class UsageWishes:
    """Where the caller wants the usage of a stream.

    Attributes:
        at_end: In one more chunk without choices.
        in_chunks: So far, in every chunk.
    """

    at_end: bool = False
    in_chunks: bool = False


NO_USAGE = UsageWishes()


class Envelope:
    """The members that every chunk or body of one answer repeats.

    Attributes:
        opening: JSON up to the bracket that opens ``choices``.
    """

    def __init__(self, kind: str, answer_id: str, model: str, created: int) -> None:
        head = encode({"id": answer_id, "object": kind, "created": created, "model": model})
        self.opening = head[:-1] + b',"choices":['
        self._event_opening = b"data: " + self.opening

    def chunk(self, choice: bytes, usage: Usage | None) -> bytes:
        """Return one event with one choice, and the usage so far if it is given."""
        if usage is None:
            return self._event_opening + choice + b"]}\n\n"
        return self._event_opening + choice + b'],"usage":' + encode(usage_fields(usage)) + b"}\n\n"

    def end(self, usage: Usage | None) -> bytes:
        """Return the events that end a stream: the usage if it is given, and the mark of the end."""
        return DONE if usage is None else data_event(self.body([], usage)) + DONE

    def body(self, choices: list[bytes], usage: Usage) -> bytes:
        """Return a whole body."""
        return self.opening + b",".join(choices) + b'],"usage":' + encode(usage_fields(usage)) + b"}"


def finite(logprob: float | None) -> float | None:
    """Return a log-probability that JSON can hold."""
    return None if logprob is None else max(logprob, LOWEST)
