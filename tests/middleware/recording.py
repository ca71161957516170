"""A sink, a clock and an observer that remember, and a request to hand to handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from smg.core.observers import Observer
from smg.core.request import RawHeaders, Request
from smg.testing.sink import CollectingSink

if TYPE_CHECKING:
    from smg.core.events import Event


class RecordingSink(CollectingSink):
    """Keeps what it is given, and counts how often it was drained."""

    def __init__(self) -> None:
        super().__init__()
        self.drains = 0

    @override
    async def drain(self) -> None:
        self.drains += 1

    @property
    def status(self) -> int:
        assert self.head is not None
        return self.head.status

    def header(self, name: bytes) -> list[bytes]:
        """Return all values of one field."""
        assert self.head is not None
        return [value for key, value in (*self.head.headers, *self.head.own) if key.lower() == name]


class RecordingObserver(Observer):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @override
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

    return Request("r1", method, path, query, headers, _firsts(headers), receive, 100.0)


def _firsts(headers: RawHeaders) -> dict[bytes, bytes]:
    """Return the first value of each field."""
    return {name.lower(): value for name, value in reversed(headers)}
