"""A sink around a sink: the base of those that change or watch an answer's head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from smg.core.request import ReplyHead, Sink


class RelaySink:
    """Passes everything on to ``sink``; subclasses override ``start``.

    The methods used per chunk are the inner sink's own, so that wrapping costs nothing there.
    """

    __slots__ = ("drain", "finish", "sink", "write")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.write: Callable[[bytes], None] = sink.write
        self.drain: Callable[[], Coroutine[Any, Any, None]] = sink.drain
        self.finish: Callable[[], None] = sink.finish

    @property
    def started(self) -> bool:
        """Whether the head was handed over."""
        return self.sink.started

    @property
    def paused(self) -> bool:
        """Whether the writer must drain before it writes more."""
        return self.sink.paused

    def start(self, head: ReplyHead) -> None:
        """Commit to this answer."""
        self.sink.start(head)
