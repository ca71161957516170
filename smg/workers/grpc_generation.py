"""One generation of a gRPC engine, as a block in which its output is read."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from typing_extensions import override

from smg.workers.grpc_calls import begin
from smg.workers.grpc_errors import grpc_errors
from smg.workers.grpc_stream import GenerationStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import grpc.aio
    from google.protobuf.message import Message

    from smg.core.generation import Generation
    from smg.core.words import WorkerId
    from smg.wire.engines.dialect import Dialect
    from smg.workers.transport import Line
    from smg.workers.watch import Watch


class OutgoingCall:
    """What is asked of an engine.

    Attributes:
        request: The generation in the words of the dialect.
        metadata: Sent with it.
    """

    __slots__ = ("dialect", "generation", "metadata", "request")

    def __init__(
        self, generation: Generation, dialect: Dialect, request: Message, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        self.generation = generation
        self.dialect = dialect
        self.request = request
        self.metadata = metadata


class GrpcGeneration(AbstractAsyncContextManager["GenerationStream"]):
    """Entering sends the request and returns when the first output is in; leaving parts from the answer.

    Left before every answer has finished it cancels the call, and calls ``abort``. The watch may end it anywhere.

    Raises:
        UpstreamError: On entering, and from the iterator.
        DownstreamError: The engine says the caller is at fault.
    """

    def __init__(  # noqa: PLR0917 - one per part of a call
        self,
        worker_id: WorkerId,
        line: Line[grpc.aio.Channel],
        outgoing: OutgoingCall,
        watch: Watch,
        abort: Callable[[str], None],
    ) -> None:
        """Take the parts; ``abort`` has the engine told to stop what has that id."""
        self._worker_id = worker_id
        self._line = line
        self._outgoing = outgoing
        self._watch = watch
        self._abort = abort
        self._answer: GenerationStream | None = None

    @override
    async def __aenter__(self) -> GenerationStream:
        channel = self._line.__enter__()
        self._watch.__enter__()
        try:
            self._answer = answer = self._begun(channel)
            await answer.open()
        except BaseException as error:
            self._leave(type(error), error, error.__traceback__)
            raise
        return answer

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(kind, error, traceback)

    def _begun(self, channel: grpc.aio.Channel) -> GenerationStream:
        outgoing = self._outgoing
        with grpc_errors(self._worker_id):
            call = begin(channel, outgoing.dialect.generate, outgoing.request, metadata=outgoing.metadata)
        self._watch.sent()
        return GenerationStream(self._worker_id, outgoing.dialect, outgoing.generation, call, self._watch)

    def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._answer is not None and self._answer.close():
            self._abort(self._outgoing.generation.request_id)
        try:
            self._watch.__exit__(kind, error, traceback)
        finally:
            self._line.__exit__(kind, error, traceback)
