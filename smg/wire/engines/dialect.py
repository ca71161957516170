"""A dialect: one engine's protocol behind one face, so that nobody else reads its messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from smg.core.errors import InvalidRequestError, UnsupportedEndpointError
from smg.wire.engines.manner import Manner
from smg.wire.engines.reach import beyond, check_values, unsupported
from smg.wire.engines.reading import StreamReader
from smg.wire.engines.telling import blamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from smg.core.errors import DownstreamError
    from smg.core.generation import Delta, Embedding, EngineFacts, Generation, RankLoad
    from smg.core.words import Runtime
    from smg.wire.engines.reach import Reach

# Any stands for "the response type of the method called": the stubs of the five protocols have nothing
# in common but Message. Each dialect names the true type in its first line.


@dataclass(frozen=True, slots=True)
class Method:
    """One remote procedure.

    Attributes:
        path: As HTTP/2 names it: ``/package.Service/Method``.
    """

    path: str
    request: type[Message]
    response: type[Message]


class Reader(Protocol):
    """Reads the messages of one generation in the order they came."""

    def read(self, message: Any) -> Delta | None:
        """Return what is new in ``message``, if anything is: tokens never twice, ``finish`` once per answer.

        Raises:
            UnaskedAnswerError: It belongs to no answer that was asked for.
        """
        ...


class Dialect(ABC):
    """Speaks one engine protocol; stateless, so one instance serves all workers.

    Attributes:
        service: Full name of the gRPC service.
        max_n: Answers per prompt that one generation may ask for; None is any number. Beyond it the
            caller of the dialect asks several times.
        engine_stops: Whether the engine is told the stop strings and ends the answer itself. The
            gateway matches them in any case; where this is false it must also abort.
        manner: How the engine's own HTTP server answers.
        reach: Which fields the protocol carries.
        generate: Server-streaming, as is ``tokenizer``; all others are unary.
    """

    runtime: ClassVar[Runtime]
    service: ClassVar[str]
    max_n: ClassVar[int | None] = None
    engine_stops: ClassVar[bool]
    manner: ClassVar[Manner] = Manner()
    reach: ClassVar[Reach]
    generate: ClassVar[Method]
    abort: ClassVar[Method]
    health: ClassVar[Method]
    model_info: ClassVar[Method]
    server_info: ClassVar[Method]
    tokenizer: ClassVar[Method]
    embed: ClassVar[Method | None] = None
    loads: ClassVar[Method | None] = None
    flush_cache: ClassVar[Method | None] = None

    def refuse(self, generation: Generation) -> None:
        """Raise UnsupportedFieldError for a field this engine's protocol cannot carry."""
        if (field := beyond(self.reach, generation)) is not None:
            raise unsupported(field, self.runtime)

    def generate_request(self, generation: Generation) -> Message:
        """Return the message that asks for ``generation``, every field in it.

        Raises:
            UnsupportedFieldError: As ``refuse``, and for ``n`` above ``max_n``.
            InvalidRequestError: A value is out of the protocol's range.
        """
        self.refuse(generation)
        if self.max_n is not None and generation.sampling.n > self.max_n:
            raise unsupported("n", self.runtime)
        check_values(self.reach, generation.sampling)
        try:
            return self._generate_request(generation)
        except ValueError as error:
            raise InvalidRequestError("a sampling field is out of the range that the engine takes") from error

    def reader(self, generation: Generation) -> Reader:
        """Return a reader for one stream that answers ``generation``."""
        return StreamReader(generation, self._as_sent)

    def error(self, status_code: str, details: str) -> type[DownstreamError] | None:
        """Return the error an engine's failure means where the caller is to blame, else None.

        Args:
            status_code: Name of the gRPC status, as ``INVALID_ARGUMENT``.
            details: The engine's own text.
        """
        return blamed(status_code, details)

    @abstractmethod
    def _generate_request(self, generation: Generation) -> Message:
        """Build the message; may raise ValueError, as protobuf does for a value out of range."""

    @abstractmethod
    def _as_sent(self, message: Any) -> Delta | None:
        """Return a delta as the engine sent it, repeats included; None for an empty message."""

    @abstractmethod
    def abort_requests(self, request_ids: Sequence[str]) -> list[Message]:
        """Return the messages that end these generations: one for all, where the protocol can."""

    @abstractmethod
    def healthy(self, message: Any) -> bool:
        """Return what the answer to ``health`` says."""

    @abstractmethod
    def facts(self, model_info: Any, server_info: Any) -> EngineFacts:
        """Return what the answers to ``model_info`` and ``server_info`` say."""

    def embed_request(self, request_id: str, prompt_ids: list[int], prompt_text: str, rank: int | None) -> Message:
        """Return the message that asks for a vector; raise UnsupportedEndpointError where there are none."""
        del request_id, prompt_ids, prompt_text, rank
        raise UnsupportedEndpointError(f"the {self.runtime.value} engine serves no embeddings")

    def embedding(self, message: Any) -> Embedding:
        """Return the vector in the answer to ``embed``."""
        raise NotImplementedError

    def loads_request(self) -> Message:
        """Return the message that asks for ``loads``; only where there is that method."""
        raise NotImplementedError

    def ranks(self, message: Any) -> list[RankLoad]:
        """Return the loads in the answer to ``loads``, one per rank."""
        raise NotImplementedError
