"""What a gRPC engine sends while it generates: tokens that were sent, once, of answers that were asked for."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.message import DecodeError

from smg.core.errors import UpstreamError
from smg.core.generation import Generation, Sampling
from smg.core.words import Runtime, WorkerId
from smg.routers.grpc.choice import Choice
from smg.routers.grpc.run import Run
from smg.routers.grpc.tally import Tally
from smg.sim import vocabulary
from smg.text.tokenizer import Tokenizer
from smg.wire.engines.table import by_service_order
from smg.workers.grpc_stream import GenerationStream
from tests.fuzz.frames import PARTING, finished, framed, unframed
from tests.fuzz.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.core.generation import Delta
    from smg.wire.engines.dialect import Dialect

DIALECTS = by_service_order()
HEAD_BYTES = 3
STOPS: tuple[tuple[str, ...], ...] = ((), ("ab", "\ufffd"))
FIRST_ID = 1 << 32


class Call:
    """Stands in for a call that is answered with these bytes."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        self._answers = answers

    async def read(self) -> object:
        """Return the next message."""
        return next(self._answers, grpc.aio.EOF)

    def output(self) -> None:
        """Stand in for the clocks too."""

    head = chunk = output


@cache
def tokenizer() -> Tokenizer:
    """Return the simulated engines' tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        return Tokenizer.load(vocabulary.write(Path(folder), context_length=64))


def run(data: bytes) -> None:
    """Consume one call as the router does."""
    head, messages = data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0"), unframed(data[HEAD_BYTES:])
    dialect = DIALECTS[head[0] % len(DIALECTS)]
    asked = generation(head[1], head[2])
    call: Any = Call(iter(messages))
    stream = GenerationStream(WorkerId("w"), dialect, asked, call, call)
    taken = Taken(dialect, asked)
    try:
        finished(consumed(stream, taken))
    except UpstreamError:
        assert stream._awaited > 0 or stream.ended, "a whole answer counts as broken"
    check_sent_once(taken.deltas, dialect, messages)
    check_bounded(stream, asked.sampling.n)


def generation(flags: int, count: int) -> Generation:
    """Return what was asked."""
    sampling = Sampling(n=1 + count % 4, stop=STOPS[flags & 1], max_tokens=0 if flags & 2 else None)
    return Generation(
        request_id="r",
        prompt_ids=[1, 2],
        prompt_text="ab",
        sampling=sampling,
        stream=bool(flags & 4),
        logprobs=flags >> 3 & 3 or None,
        prompt_logprobs=flags >> 5 & 1 or None,
    )


async def consumed(stream: GenerationStream, taken: Taken) -> None:
    """Read to the end, or to where the engine has to be left."""
    await stream.open()
    async for delta in stream:
        taken.take(delta)


class Taken:
    """The caller's side of a call."""

    def __init__(self, dialect: Dialect, asked: Generation) -> None:
        self.deltas: list[Delta] = []
        self._asked = asked
        choices = [Choice(index, tokenizer(), asked, dialect) for index in range(asked.sampling.n)]
        self._run = Run(asked, 0, choices, Tally([len(asked.prompt_ids)]))
        self._ended: Counter[int] = Counter()

    def take(self, delta: Delta) -> None:
        """Take one delta and hold it against what may come."""
        self.deltas.append(delta)
        assert 0 <= delta.index < self._asked.sampling.n, "an answer that nobody asked for"
        assert len(delta.logprobs) in {0, len(delta.token_ids)}, "scores that belong to no token"
        self._ended[delta.index] += delta.finish is not None
        assert self._ended[delta.index] <= 1, "an answer ends twice"
        piece = self._run.take(delta)
        assert piece is None or all(0 <= token_id < FIRST_ID for token_id in piece.token_ids)
        assert piece is None or piece.text.isprintable() or piece.text.encode(), "text that cannot be sent"


def check_sent_once(deltas: list[Delta], dialect: Dialect, messages: list[bytes]) -> None:
    """No token is told that was not sent, and none more often."""
    told = Counter(token_id for delta in deltas for token_id in delta.token_ids)
    assert told <= sent(dialect, messages), "a token nobody sent"


def sent(dialect: Dialect, messages: list[bytes]) -> Counter[int]:
    """Count the tokens in all messages that can be read, without what an end repeats of the chunks before it."""
    tokens: Counter[int] = Counter()
    streamed: set[int] = set()
    for raw in messages:
        try:
            message: Any = dialect.generate.response.FromString(raw)
        except DecodeError:
            break
        chunk = message.HasField("chunk")
        answer = message.chunk if chunk else message.complete
        index = answer.sequence_index if dialect.runtime is Runtime.TRTLLM else answer.index
        if chunk or index not in streamed:
            tokens.update(answer.token_ids if chunk else ids_of(dialect, answer))
        streamed = streamed | {index} if chunk else streamed - {index}  # another answer may go on under its number
    return tokens


def ids_of(dialect: Dialect, complete: Any) -> Any:
    """Return the tokens in the message that ends an answer."""
    return complete.output_token_ids if dialect.runtime is Runtime.TRTLLM else complete.output_ids


def check_bounded(stream: GenerationStream, count: int) -> None:
    """What a reader remembers does not grow with what it is sent."""
    reader: Any = stream._reader
    for remembered in (reader._streamed, reader._under_way, reader._scored):
        assert len(remembered) <= count, "the reader remembers answers that nobody asked for"


def messages_of(dialect: Dialect) -> list[bytes]:
    """Return a well-made answer: two chunks and an end, with scores."""
    whole: Any = dialect.generate.response()
    parts: list[Any] = [dialect.generate.response() for _ in range(2)]
    for number, part in enumerate(parts):
        part.chunk.token_ids.extend([65 + number, 300])
        part.chunk.prompt_tokens, part.chunk.completion_tokens = 3, 2
    whole.complete.finish_reason = "stop"
    ids_of(dialect, whole.complete).extend([66, 300])
    if dialect.runtime is not Runtime.TRTLLM:
        parts[0].chunk.output_logprobs.token_ids.extend([65, 300])
        parts[0].chunk.output_logprobs.token_logprobs.extend([-0.5, -1.5])
        parts[0].chunk.output_logprobs.top_logprobs.add(token_ids=[65], values=[-0.5])
    return [message.SerializeToString() for message in (*parts, whole)]


GENERATIONS = Target(
    name="generations",
    seeds=tuple(
        bytes([number, flags, 0]) + framed(messages_of(dialect))
        for number, dialect in enumerate(DIALECTS)
        for flags in (0b1100, 0b0101)
    ),
    words=(
        *(b"\x0a\x04\x0a\x02\x41\x42", b"\x12\x06\x12\x04stop", b"\x08\x01", b"\x10\x01", b"\x40\x01", b"\x58\x01"),
        *(b"\x30\x01", b"\x38\x01", b"\x48\x01", b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x08"),
        *(b"\x0a\x05\x0a\x03\x41\x42\x43", b"length", b"abort", PARTING),
        *(message for dialect in DIALECTS for message in messages_of(dialect)),
    ),
    run=run,
    runs=40_000,
)
