"""What one end of the wire has seen, keyed by request id; this, and not the gateway's own counters, is the proof."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Entry:
    """One request as a scripted end saw it.

    Attributes:
        ended: How it ended here: ``answered``, ``aborted`` (the other side left early) or None while it runs.
        sent: Body bytes given out so far.
    """

    request_id: str
    end: str
    begun_at: float
    received: bytes = b""
    sent: int = 0
    ended: str | None = None
    ended_at: float | None = None

    def close(self, how: str) -> None:
        """Note how it ended; the first word stands."""
        if self.ended is None:
            self.ended, self.ended_at = how, time.monotonic()


@dataclass
class Ledger:
    """Every request that reached one end, in order; safe to read from another thread.

    Attributes:
        received_bytes: All bytes that arrived, requests that never became whole included.
        connections: Connections ever accepted.
        open_connections: Those still open.
    """

    entries: list[Entry] = field(default_factory=list)
    received_bytes: int = 0
    connections: int = 0
    open_connections: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, request_id: str, end: str, received: bytes = b"") -> Entry:
        """Note a request."""
        entry = Entry(request_id, end, time.monotonic(), received)
        self.entries.append(entry)
        self.tell()
        return entry

    def tell(self) -> None:
        """Wake who waits for a change."""
        with self.changed:
            self.changed.notify_all()

    def of(self, request_id: str) -> list[Entry]:
        """Return every attempt at one request."""
        return [entry for entry in self.entries if entry.request_id == request_id]

    def since(self, mark: int) -> list[Entry]:
        """Return the requests after the first ``mark``."""
        return self.entries[mark:]

    @property
    def running(self) -> int:
        """Requests that have begun and not ended."""
        return sum(entry.ended is None for entry in self.entries)

    def wait(self, holds: Callable[[], bool], within_secs: float) -> bool:
        """Wait until ``holds()`` is true; tell whether it became so in time."""
        with self.changed:
            return self.changed.wait_for(holds, within_secs)
