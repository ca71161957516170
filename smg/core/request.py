"""A request as every front door hands it in, and the sink its answer goes to.

A *handler* takes both. Middleware wraps handlers, routes are handlers, and neither knows which
listener or protocol the request came through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, TypeAlias

from mypy_extensions import mypyc_attr

from smg.core.words import Endpoint, WorkerId

RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Header fields in the order they came, names as they were spelt, repeated names kept."""

HEADS: Final = 512
"""Of how many heads what was drawn from them is remembered: what a peer says once it says again."""

# Written out, since each request makes one of each: what dataclasses and named tuples generate is not compiled.


class Trail:
    """What became known of a request on its way, for its one record at the end.

    Attributes:
        route: The route's template (``/workers/{id}``), a bounded label for metrics.
        caller: Name of the caller whose key was shown; None for the gateway's own, or where no key is needed.
        first_byte_at: Clock reading when the answer's head was handed to the sink.
        attempts: Workers tried, the first included.
        prompt_tokens: Of the last worker, where it or the gateway counted; else None.
    """

    route: str = "unknown"
    caller: str | None = None
    model: str | None = None
    streaming: bool = False
    worker_id: WorkerId | None = None
    attempts: int = 0
    status: int | None = None
    error_code: str | None = None
    first_byte_at: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Request:
    """One request from a caller, its body not yet read.

    Attributes:
        id: Names the request in logs, at the worker and in the answer.
        path: Normal form, percent-decoded, without the query.
        query: Raw text behind the ``?``, empty if none.
        fields: The first value of each header field, by its name in lower case.
        receive: Reads the whole body once; raises PayloadTooLargeError beyond the front's limit and
            RequestTimeoutError when it comes too slowly.
        arrived_at: Clock reading (seconds, monotonic) when the head was complete.
        params: Values of the route template's placeholders.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        id: str,  # noqa: A002
        method: str,
        path: str,
        query: str,
        headers: RawHeaders,
        fields: dict[bytes, bytes],
        receive: Callable[[], Awaitable[bytes]],
        arrived_at: float,
    ) -> None:
        self.id = id
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.fields = fields
        self.receive = receive
        self.arrived_at = arrived_at
        self.params: dict[str, str] = {}
        self.trail = Trail()


class InferenceRequest:
    """A request for an engine, with the fields that routing reads.

    Attributes:
        path: Path and query as the worker gets it.
        body: The caller's bytes, untouched.
        model: As the caller spelt it, or the one model that is served where the caller named none.
        stream: The caller asked for server-sent events.
        tokens: Estimated prompt tokens (body bytes / 4, at least 1), for load accounting.
        began_at: Clock reading (seconds, monotonic) when it arrived; the total time runs from here.
        parsed: What a router's ``check`` decoded, by router, so that it is decoded once for all attempts.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        id: str,  # noqa: A002
        endpoint: Endpoint,
        path: str,
        headers: RawHeaders,
        body: bytes,
        model: str,
        stream: bool,
        tokens: int,
        began_at: float,
        trail: Trail,
    ) -> None:
        self.id = id
        self.endpoint = endpoint
        self.path = path
        self.headers = headers
        self.body = body
        self.model = model
        self.stream = stream
        self.tokens = tokens
        self.began_at = began_at
        self.trail = trail
        self.parsed: dict[object, object] = {}


class ReplyHead:
    """Status and fields of an answer; framing fields (content-length, transfer-encoding) are the front's.

    Attributes:
        headers: Fields that may come again with other answers; how they stand on the wire is remembered.
        length: Body bytes, when known before the first of them; None streams.
        own: Fields of this answer alone.
    """

    __slots__ = ("headers", "length", "own", "status")

    def __init__(self, status: int, headers: RawHeaders, length: int | None = None, own: RawHeaders = ()) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        self.own = own


@mypyc_attr(allow_interpreted_subclasses=True)
class Sink(ABC):
    """Where one answer goes.

    Order: ``start`` once, ``write`` any number of times, ``finish`` once. None of the three blocks or
    awaits, so a worker can push from a protocol callback. When ``paused`` is true, await ``drain``
    before writing more. A caller who has gone shows as cancellation of the task that serves it.

    Attributes:
        head: What was handed over, as its caller gets it; None before. From then on nothing may be retried.
    """

    __slots__ = ("head",)

    def __init__(self) -> None:
        self.head: ReplyHead | None = None

    @property
    @abstractmethod
    def paused(self) -> bool:
        """Whether the caller is slower than the worker and the writer must drain first."""

    @abstractmethod
    def amend(self, change: Callable[[ReplyHead], ReplyHead]) -> None:
        """Have the head changed by ``change`` when it is handed over, after all that ask for this later."""

    @abstractmethod
    def start(self, head: ReplyHead) -> None:
        """Commit to this answer."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Hand over body bytes in order; they are sent as they are."""

    @abstractmethod
    def drain(self) -> Coroutine[None, None, None]:
        """Wait until the caller has taken enough; raise ConnectionResetError if it has gone."""

    @abstractmethod
    def finish(self) -> None:
        """End the body properly."""


Handler: TypeAlias = Callable[[Request, Sink], Awaitable[None]]


def reply(
    sink: Sink, status: int, body: bytes, headers: RawHeaders = ((b"content-type", b"application/json"),)
) -> None:
    """Answer whole: head, body and end in one go."""
    sink.start(ReplyHead(status, headers, len(body)))
    sink.write(body)
    sink.finish()
