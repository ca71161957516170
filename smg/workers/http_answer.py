"""What is asked of an HTTP engine and what it answers, whatever carries them."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.core.errors import Retry, UpstreamError
from smg.core.words import WorkerId
from smg.wire.codings import codings_of
from smg.workers.settings import WorkerDefaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smg.core.request import RawHeaders
    from smg.workers.watch import Watch


@dataclass(frozen=True, slots=True)
class Reach:
    """How one worker is reached.

    Attributes:
        base_url: What is dialled, without a path.
        context: For its TLS; None where it has none.
    """

    worker_id: WorkerId
    base_url: str
    settings: WorkerDefaults
    context: ssl.SSLContext | None

    @property
    def fast_lane(self) -> bool:
        """Whether exchanges are spoken by ourselves: neither TLS nor, maybe, a proxy stands before the engine."""
        settings, proxy = self.settings, self.settings.proxy
        straight = self.base_url.startswith("http://") and proxy.url is None and not proxy.trust_env
        return straight and not settings.pool.no_fast_lane


class Outgoing:
    """A request as it goes to an engine.

    Attributes:
        path: With its query, as it stands on the wire.
        headers: All that may come again with other requests, but ``Host`` and those that frame the message.
        own: Those of this request alone.
        body: None for a request without one.
    """

    __slots__ = ("body", "headers", "method", "own", "path")

    def __init__(
        self, method: str, path: str, headers: RawHeaders, body: bytes | None, *, own: RawHeaders = ()
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.own = own
        self.body = body


class HttpAnswer(ABC):
    """An engine's answer whose head is in.

    Attributes:
        status: 200 to 999, as the engine sent it; redirects are not followed.
        headers: As they came, repeats kept, the body's coding untouched.
        fields: The first value of each of them, by its name in lower case.
        length: Bytes of the body as the engine announced it; None where it did not.
        content_type: In lower case, without parameters; empty where it named none.
        watch: The exchange's clocks; who takes the body tells them of output and of pauses.
    """

    __slots__ = ()

    worker_id: WorkerId
    status: int
    headers: RawHeaders
    fields: Mapping[bytes, bytes]
    length: int | None
    content_type: bytes
    watch: Watch

    @property
    def codings(self) -> list[bytes]:
        """How the body is coded; mostly not at all."""
        return codings_of(self.headers) if b"content-encoding" in self.fields else []

    @abstractmethod
    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Hand the body's bytes to ``take`` as they come, until it returns False: for now it wants no more.

        ``take`` runs where the bytes arrive; it neither waits nor blocks. What it raises is raised here.

        Returns:
            Whether more may come; False once the body has ended.

        Raises:
            UpstreamError: The body broke off.
        """

    def at_once(self) -> bytes | None:
        """Return the whole body if all of it is here and nobody has asked for it; else None, and nothing is taken."""
        return None

    @abstractmethod
    def part(self) -> None:
        """Give the connection back, or close it where the body has not ended; to be called once, by who asked."""

    @abstractmethod
    def break_off(self) -> None:
        """Fail whoever waits for the body: the worker is closed."""

    async def read(self, limit_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            UpstreamError: The body is longer than ``limit_bytes``, or broke off.
        """
        if (body := await self.read_within(limit_bytes)) is None:
            raise UpstreamError(self.worker_id, "the worker's answer is too long", retry=Retry.NEVER)
        return body

    async def read_within(self, limit_bytes: int) -> bytes | None:
        """Return the whole body, or None where it is longer than that; raises UpstreamError if it broke off."""
        body = bytearray()

        def take(data: bytes) -> bool:
            body.extend(data)
            return len(body) <= limit_bytes

        beyond = await self.pour(take) or len(body) > limit_bytes
        return None if beyond else bytes(body)
