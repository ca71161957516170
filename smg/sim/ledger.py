"""What an engine saw: every request with its bytes and how it ended, for tests that judge the gateway."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smg.core.clock import Clock
    from smg.sim.settings import EngineSettings

End: TypeAlias = Literal["finished", "aborted", "failed"]
RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True, eq=False)
class Record:
    """One request.

    Attributes:
        endpoint: Path over HTTP, method name over gRPC.
        headers: Fields or metadata as they came, in their order and spelling.
        body: The bytes as they came, up to the settings' cap; the serialized message over gRPC.
        message: The protobuf request; None over HTTP.
        tokens: Produced by the engine, over all choices.
        ended: None while it runs.
    """

    request_id: str
    endpoint: str
    headers: RawHeaders
    body: bytes
    started_at: float
    message: Any = None
    rank: int = 0
    tokens: int = 0
    first_token_at: float | None = None
    ended: End | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class Totals:
    """Requests ever seen, and how they ended."""

    started: int = 0
    finished: int = 0
    aborted: int = 0
    failed: int = 0

    @property
    def open(self) -> int:
        """Requests that have not ended."""
        return self.started - self.finished - self.aborted - self.failed


@dataclass(slots=True)
class Ledger:
    """The last requests, oldest first, and totals over all."""

    settings: EngineSettings
    clock: Clock
    totals: Totals = field(default_factory=Totals)
    _records: deque[Record] = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._records = deque(maxlen=self.settings.ledger_size)

    @property
    def records(self) -> tuple[Record, ...]:
        """The remembered requests, oldest first."""
        return tuple(self._records)

    @property
    def last(self) -> Record:
        """The newest request; raises IndexError if there is none."""
        return self._records[-1]

    def find(self, request_id: str) -> Record | None:
        """Return the newest request of this id."""
        return next((one for one in reversed(self._records) if one.request_id == request_id), None)

    @contextmanager
    def track(
        self, request_id: str, endpoint: str, headers: RawHeaders, body: bytes, *, message: Any = None
    ) -> Iterator[Record]:
        """Keep a record of the block: an exception in it is a failure, cancellation an abort."""
        kept = body[: self.settings.ledger_body_bytes]
        record = Record(request_id, endpoint, headers, kept, self.clock.now(), message)
        self._records.append(record)
        self.totals.started += 1
        self.tell()
        end: End = "aborted"
        try:
            yield record
            end = "finished"
        except Exception:
            end = "failed"
            raise
        finally:
            self._end(record, record.ended or end)

    def _end(self, record: Record, end: End) -> None:
        record.ended, record.ended_at = end, self.clock.now()
        setattr(self.totals, end, getattr(self.totals, end) + 1)
        self.tell()

    def tell(self) -> None:
        """Wake those who wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[Ledger], bool], timeout_secs: float = 10.0) -> None:
        """Wait until ``holds`` is true of the ledger; raise TimeoutError if it takes too long."""
        async with asyncio.timeout(timeout_secs):
            while not holds(self):
                await self._changed.wait()
