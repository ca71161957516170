"""A request's body on its way in: kept as it comes, handed over whole when the handler asks for it."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import TYPE_CHECKING, Final, Protocol

from smg.core.errors import GatewayError, OverloadedError, PayloadTooLargeError
from smg.wire.http_chunks import ChunkedBody

if TYPE_CHECKING:
    from smg.server.http1.memory import BodyMemory
    from smg.wire.http_head import Head

RETRY_AFTER_SECS: Final = 1.0


RESERVED_BYTES = 64 << 20
"""Address space for a body that comes in pieces, so that what is here need not move when more comes. Memory behind it
is given by the system only as it is written to."""


class Source(Protocol):
    """The connection, as a body sees it."""

    def invite(self, *, expects: bool) -> None:
        """Let the rest of the body come; tell a caller who ``expects`` to be told."""
        ...


class SizedBody:
    """Collects a body whose length was named.

    Attributes:
        done: All of it is here.
    """

    __slots__ = ("_left", "_length", "_piece", "_pieces", "done")

    def __init__(self, length: int) -> None:
        self._length = self._left = length
        self._piece = b""
        self._pieces: BytesIO | None = None
        self.done = not length

    @property
    def size(self) -> int:
        """Bytes of the data so far."""
        return self._length - self._left

    @property
    def content(self) -> bytes:
        """The data, once all of it is here; not a copy of it."""
        return self._piece if self._pieces is None else self._pieces.getvalue()

    def feed(self, data: bytes) -> bytes:
        """Take ``data`` and return what of it belongs to the next message."""
        taken, rest = data[: self._left], data[self._left :]
        self._left -= len(taken)
        self.done = not self._left
        if self.done and self._pieces is None:
            self._piece = taken  # came in one piece: the one that most bodies are
            return rest
        if self._pieces is None:
            self._pieces = BytesIO(bytes(min(self._length, RESERVED_BYTES)))
        self._pieces.write(taken)
        return rest


NO_BODY: Final = SizedBody(0)


class Intake:
    """Takes one body in; what is here of it is on the account of ``memory`` until ``release``.

    Attributes:
        wanted: The handler waits for it.
        done: Nothing more comes for it, since it is complete or has failed.
        taken: It was handed over, or there is none. A body that nobody asked for is where a second request hides, so
            no other may follow it.
        began_at: Clock reading when its head was complete.
    """

    __slots__ = (
        *("_body", "_content", "_error", "_expects", "_held", "_length", "_memory", "_source", "_waiter"),
        *("began_at", "done", "taken", "wanted"),
    )

    def __init__(self, source: Source, head: Head, max_bytes: int, *, memory: BodyMemory, began_at: float) -> None:
        self._source = source
        self._memory = memory
        self._held = 0
        self._length = head.length or 0
        self._expects = head.expects
        self._body: SizedBody | ChunkedBody = ChunkedBody(max_bytes) if head.length is None else SizedBody(head.length)
        self._content = b""
        self._error: GatewayError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.began_at = began_at
        self.wanted = False
        self.done = self.taken = self._body.done
        if head.length is not None and head.length > max_bytes:
            self.fail(PayloadTooLargeError(f"the request's body is larger than {max_bytes} bytes"))

    @property
    def size(self) -> int:
        """Bytes of the body that are here."""
        return self._body.size

    def feed(self, data: bytes) -> bytes:
        """Take ``data`` and return what of it belongs to the next request."""
        self._expects = False
        before = self.size
        try:
            rest = self._body.feed(data)
            self._hold(self.size - before)
        except GatewayError as error:
            self.fail(error)
            return b""
        if self._body.done:
            self._end()
        return rest

    def fail(self, error: GatewayError) -> None:
        """Give the body up: who asks for it gets ``error``."""
        self._error = error
        self._body = NO_BODY
        self.release()
        self._end()

    def release(self) -> None:
        """Take the body off the account; to be called when its request has ended, and safe to call twice."""
        self._memory.give_back(self._held)
        self._held = 0

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            PayloadTooLargeError: By the length the head names, before reading, or as soon as it is known.
            OverloadedError: There is no room for it beside those that are held; likewise.
            RequestTimeoutError: It came too slowly.
            BadFramingError: Its framing is broken.
        """
        if not self.done and self._length - self.size > self._memory.free:
            self.fail(_no_room())
        if not self.done:
            self.wanted = True
            self._waiter = asyncio.get_running_loop().create_future()
            self._source.invite(expects=self._expects)
            await self._waiter
        if self._error is not None:
            raise self._error
        self.taken = True
        if self._body is not NO_BODY:
            content, self._body = self._body.content, NO_BODY
            self._content = content if isinstance(content, bytes) else bytes(content)
        return self._content

    def _hold(self, size: int) -> None:
        if not self._memory.take(size):
            raise _no_room()
        self._held += size

    def _end(self) -> None:
        self.done = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _no_room() -> OverloadedError:
    message = "the gateway holds as many bytes of request bodies as it may"
    return OverloadedError(message, retry_after_secs=RETRY_AFTER_SECS)
