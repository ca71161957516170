"""What a scripted engine says to one request: a text that names the request and the engine, in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from smg.sim import vocabulary
from smg.stubs import sglang_scheduler_pb2 as pb
from tests.faults.back.http_words import DONE, LAST, SSE_HEAD, chunk, event, plain, plain_body
from tests.faults.back.steps import Message, Send, Status, Wait

if TYPE_CHECKING:
    from tests.faults.back.steps import Step

BETWEEN_SECS = 0.01
THINKING_SECS = 0.02
PIECES = 8
LONG_PIECES = 60
LONG = "slow."
"""How the ids of requests begin whose answers are long."""


@dataclass(frozen=True)
class Said:
    """One engine's answer to one request."""

    request_id: str
    backend: str
    stream: bool

    @property
    def pieces(self) -> list[str]:
        """The text in pieces; no two engines say the same to anybody."""
        count, width = (LONG_PIECES, 60) if self.request_id.startswith(LONG) else (PIECES, 3)
        return [f"{self.request_id} of {self.backend}:", *(f" {number:0{width}}" for number in range(count))]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)

    def http(self) -> list[Step]:
        """Return the script of an HTTP engine."""
        if not self.stream:
            return [Wait(THINKING_SECS), Send(plain(plain_body(self.text)))]
        events = [step for piece in self.pieces for step in (Wait(BETWEEN_SECS), Send(chunk(event(piece))))]
        return [Send(SSE_HEAD), *events, Send(chunk(LAST) + chunk(DONE) + b"0\r\n\r\n")]

    def grpc(self) -> list[Step]:
        """Return the script of a gRPC engine."""
        ids = [list(tokens(piece)) for piece in self.pieces]
        if not self.stream:
            return [Wait(THINKING_SECS), finished([token for piece in ids for token in piece], ids), Status(0, "")]
        steps: list[Step] = []
        for number, piece in enumerate(ids):
            told = sum(map(len, ids[: number + 1]))
            part = pb.GenerateStreamChunk(token_ids=piece, prompt_tokens=3, completion_tokens=told)
            steps += [Wait(BETWEEN_SECS), Message(pb.GenerateResponse(chunk=part).SerializeToString())]
        return [*steps, finished(ids[-1], ids), Status(0, "")]


def finished(output: list[int], ids: list[list[int]]) -> Message:
    """Return the end of an answer of these tokens, which repeats some of them."""
    total = sum(map(len, ids))
    end = pb.GenerateComplete(output_ids=output, finish_reason="stop", prompt_tokens=3, completion_tokens=total)
    return Message(pb.GenerateResponse(complete=end).SerializeToString())


@cache
def shared(piece: str) -> tuple[int, ...]:
    """Return the ids of a piece that many answers have."""
    return tuple(vocabulary.encode(piece))


def tokens(piece: str) -> tuple[int, ...]:
    """Return the ids of a piece; one that names a request is not kept."""
    return shared(piece) if piece.startswith(" ") else tuple(vocabulary.encode(piece))
