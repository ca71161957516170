"""What a reader makes of some bytes: the recording worker, and parsers that others wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

import h11
import httptools


@dataclass(frozen=True)
class Reading:
    """One request as somebody reads it; text is latin-1, so that every byte shows.

    Attributes:
        length: Bytes of the body.
    """

    method: str
    target: str
    hosts: tuple[str, ...]
    length: int


def ours(data: bytes) -> list[Reading]:
    """Read with the recording worker's own eyes."""
    head, _, body = data.decode("latin-1").partition("\r\n\r\n")
    line, *rest = head.split("\r\n")
    hosts = [value.strip() for name, _, value in (each.partition(":") for each in rest) if name.lower() == "host"]
    method, target, _ = line.split(" ")
    return [Reading(method, target, tuple(hosts), len(body))]


def by_h11(data: bytes) -> list[Reading]:
    """Read with h11 what is whole; raises what it raises where it refuses."""
    readings = []
    while data:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        if (reading := next_by_h11(connection)) is None:
            break
        readings.append(reading)
        data = connection.trailing_data[0]
    return readings


def next_by_h11(connection: h11.Connection) -> Reading | None:
    """Read one request; None if it is not whole."""
    request, event, length = connection.next_event(), connection.next_event(), 0
    while isinstance(event, h11.Data):
        length += len(event.data)
        event = connection.next_event()
    if not isinstance(request, h11.Request) or not isinstance(event, h11.EndOfMessage):
        return None
    hosts = tuple(value.decode("latin-1") for name, value in request.headers if name == b"host")
    return Reading(request.method.decode("latin-1"), request.target.decode("latin-1"), hosts, length)


@dataclass
class Llhttp:
    """What httptools calls while it reads; a request is noted once it is whole."""

    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        """Begin one more."""
        self._target, self._length = "", 0
        self._hosts: list[str] = []

    def on_url(self, url: bytes) -> None:
        """Note the target."""
        self._target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a host."""
        if name.lower() == b"host":
            self._hosts.append(value.decode("latin-1"))

    def on_body(self, body: bytes) -> None:
        """Count."""
        self._length += len(body)

    def on_message_complete(self) -> None:
        """Note the request."""
        method = self.parser.get_method().decode("latin-1")
        self.readings.append(Reading(method, self._target, tuple(self._hosts), self._length))


def by_httptools(data: bytes) -> list[Reading]:
    """Read with httptools what is whole; raises what it raises where it refuses."""
    told = Llhttp()
    told.parser.feed_data(data)
    return told.readings
