"""One request to an HTTP engine, as a block in which its answer is read."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from types import TracebackType

    from smg.workers.http_answer import HttpAnswer, Outgoing
    from smg.workers.http_pool import Pool
    from smg.workers.transport import Line
    from smg.workers.watch import Watch


class Exchange(AbstractAsyncContextManager["HttpAnswer"]):
    """Entering sends the request and returns when the answer's head is in; leaving parts from the answer.

    Left before the body's end it closes the connection, which is how an engine learns to stop. The watch may end it
    anywhere. Written out, since generators that stand for such blocks cost a tenth of a request.

    Raises:
        UpstreamError: On entering, and while the body is read.
    """

    __slots__ = ("_answer", "_line", "_outgoing", "_watch")

    def __init__(self, line: Line[Pool], outgoing: Outgoing, watch: Watch) -> None:
        self._line = line
        self._outgoing = outgoing
        self._watch = watch

    @override
    async def __aenter__(self) -> HttpAnswer:
        pool = self._line.__enter__()
        self._watch.__enter__()
        try:
            self._answer = await pool.ask(self._outgoing, self._watch)
        except BaseException as error:
            self._leave(type(error), error, error.__traceback__)
            raise
        return self._answer

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._answer.part()
        self._leave(kind, error, traceback)

    def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._watch.__exit__(kind, error, traceback)
        finally:
            self._line.__exit__(kind, error, traceback)
