"""Where the pieces of a request's answers go: into a stream of events, or into one body at the end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from smg.core.request import ReplyHead, reply
from smg.wire.openai.answer_style import ChoicePiece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smg.core.request import Sink
    from smg.wire.openai.answer_style import AnswerStyle, Usage
    from smg.workers.watch import Watch

EVENT_STREAM: Final = ReplyHead(
    200, ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")), None
)


class Output(ABC):
    """Takes the pieces of all calls of one request, in the order in which they arrive."""

    def __init__(self, sink: Sink, style: AnswerStyle, usage: Usage) -> None:
        self._sink = sink
        self._style = style
        self._usage = usage

    @abstractmethod
    def begin(self, indices: Sequence[int]) -> None:
        """Take note that the engine has begun to give these answers."""

    @abstractmethod
    def show(self, piece: ChoicePiece) -> None:
        """Take what is new in one answer."""

    @property
    @abstractmethod
    def full(self) -> bool:
        """Whether no more should be shown before ``ready``."""

    @abstractmethod
    async def ready(self, watch: Watch) -> None:
        """Return when more can be taken; ``watch`` is told that the wait is not the worker's."""

    @abstractmethod
    def end(self) -> None:
        """End the caller's answer, after every call has ended well."""


class Streamed(Output):
    """Sends each piece at once, no faster than the caller takes it."""

    def __init__(self, sink: Sink, style: AnswerStyle, usage: Usage) -> None:
        super().__init__(sink, style, usage)
        self._draining = asyncio.Lock()

    @override
    def begin(self, indices: Sequence[int]) -> None:
        if self._sink.head is None:
            self._sink.start(EVENT_STREAM)
        self._write(b"".join(self._style.first(index, self._usage) for index in indices))

    @override
    def show(self, piece: ChoicePiece) -> None:
        self._write(self._style.piece(piece, self._usage))

    @property
    @override
    def full(self) -> bool:
        return self._sink.paused

    @override
    async def ready(self, watch: Watch) -> None:
        watch.pause()  # also while another call waits for the caller, whom all calls of a request share
        async with self._draining:
            if self._sink.paused:
                await self._sink.drain()
        watch.resume()

    @override
    def end(self) -> None:
        self._write(self._style.last(self._usage))
        self._sink.finish()

    def _write(self, data: bytes) -> None:
        if data:
            self._sink.write(data)


class Joined(Streamed):
    """The same for several calls side by side: what they show in one turn of the loop leaves in one write.

    It leaves with the next turn. A failure of one is told after more than one, when the others have been cancelled.
    """

    def __init__(self, sink: Sink, style: AnswerStyle, usage: Usage) -> None:
        super().__init__(sink, style, usage)
        self._loop = asyncio.get_running_loop()
        self._shown: list[bytes] = []

    @override
    async def ready(self, watch: Watch) -> None:
        self._flush()  # a head that waits for its first bytes leaves with them
        await super().ready(watch)

    @override
    def end(self) -> None:
        self._write(self._style.last(self._usage))
        self._flush()
        self._sink.finish()

    @override
    def _write(self, data: bytes) -> None:
        if not self._shown:
            self._loop.call_soon(self._flush)
        self._shown.append(data)

    def _flush(self) -> None:
        if self._shown:
            shown, self._shown = self._shown, []
            self._sink.write(b"".join(shown))


class Whole(Output):
    """Keeps all pieces and answers once, so that a failure on the way can still be tried again."""

    def __init__(self, sink: Sink, style: AnswerStyle, usage: Usage) -> None:
        super().__init__(sink, style, usage)
        self._answers: dict[int, Gathered] = {}

    @override
    def begin(self, indices: Sequence[int]) -> None:
        self._answers |= {index: Gathered(index) for index in indices}

    @override
    def show(self, piece: ChoicePiece) -> None:
        self._answers[piece.index].add(piece)

    @property
    @override
    def full(self) -> bool:
        """Never: what is kept is bounded by the model's context."""
        return False

    @override
    async def ready(self, watch: Watch) -> None:
        """Never wait."""

    @override
    def end(self) -> None:
        pieces = [self._answers[index].joined() for index in sorted(self._answers)]
        reply(self._sink, 200, self._style.whole(pieces, self._usage))


class Gathered:
    """The pieces of one answer."""

    def __init__(self, index: int) -> None:
        self._texts: list[str] = []
        self._all = ChoicePiece(index=index, text="")

    def add(self, piece: ChoicePiece) -> None:
        """Keep one more piece."""
        self._texts.append(piece.text)
        self._all.token_ids += piece.token_ids
        self._all.logprobs += piece.logprobs
        self._all.prompt_logprobs += piece.prompt_logprobs
        self._all.finish = piece.finish

    def joined(self) -> ChoicePiece:
        """Return all of it as one piece."""
        self._all.text = "".join(self._texts)
        return self._all
