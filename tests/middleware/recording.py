"""A sink, a clock and an observer that remember, and a request to hand to handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.request import RawHeaders, ReplyHead, Request

if TYPE_CHECKING:
    from smg.core.events import Event


class RecordingSink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.head: ReplyHead | None = None
        self.body = b""
        self.finished = False
        self.drains = 0

    @property
    def started(self) -> bool:
        return self.head is not None

    @property
    def paused(self) -> bool:
        return False

    def start(self, head: ReplyHead) -> None:
        assert self.head is None
        self.head = head

    def write(self, data: bytes) -> None:
        self.body += data

    async def drain(self) -> None:
        self.drains += 1

    def finish(self) -> None:
        self.finished = True

    @property
    def status(self) -> int:
        assert self.head is not None
        return self.head.status

    def header(self, name: bytes) -> list[bytes]:
        """Return all values of one field."""
        assert self.head is not None
        return [value for key, value in self.head.headers if key.lower() == name]


class RecordingObserver:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)


class StepClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time


def request(
    method: str = "GET", path: str = "/", *, headers: RawHeaders = (), body: bytes = b"", query: str = ""
) -> Request:
    """Make a request whose body is there already."""

    async def receive() -> bytes:
        return body

    return Request(id="r1", method=method, path=path, query=query, headers=headers, receive=receive, arrived_at=100.0)
