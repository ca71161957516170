"""Many connections of one kind at once, and one caller who must not notice them."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Self

from tests.faults.front.caller import Caller
from tests.faults.front.requests import GOOD_REQUEST

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = 20
"""In so many parts, one after another, a crowd sends."""
NOISE_SECS = 0.002
"""What timers, and two cores for all that runs here, add to one answer in a hundred, be there a crowd or none."""
PER_SEC = 300
"""How often a healthy caller asks whose 99th percentile is judged: two seconds give six samples beyond it."""


@dataclass
class Member:
    """One connection of a crowd.

    Attributes:
        pending: What it still has to send; one piece of ``piece`` bytes per turn.
        closed_at: Seconds after its begin, None while it is open.
    """

    socket: socket.socket
    pending: bytes
    begun: float
    received: bytes = b""
    closed_at: float | None = None


class Crowd:
    """Connections that send slowly and wait to be closed; use as a context."""

    def __init__(self, port: int, number: int, first: bytes, slowly: bytes = b"") -> None:
        self._selector = selectors.DefaultSelector()
        self.members: list[Member] = []
        for _ in range(number):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(first)
            connection.setblocking(False)
            member = Member(connection, slowly, time.monotonic())
            self.members.append(member)
            self._selector.register(connection, selectors.EVENT_READ, member)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for member in self.members:
            member.socket.close()

    def wait(self, within_secs: float, *, every_secs: float = 0.1, piece: int = 1) -> None:
        """Send a piece per member and turn until all are closed or the time is up; turns are spread as strangers' are.

        A crowd that sends all at one instant holds up whoever asks just then, and is nobody's crowd.
        """
        deadline = time.monotonic() + within_secs
        parts = cycle([self.members[first::PARTS] for first in range(PARTS)])
        while any(member.closed_at is None for member in self.members) and time.monotonic() < deadline:
            self._read_for(every_secs / PARTS)
            for member in next(parts):
                self._send(member, piece)

    def _read_for(self, within_secs: float) -> None:
        deadline = time.monotonic() + within_secs
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                self._read(key.data)

    def _read(self, member: Member) -> None:
        data = b""
        with suppress(OSError):
            data = member.socket.recv(1 << 16)
        member.received += data
        if not data:
            member.closed_at = time.monotonic() - member.begun
            self._selector.unregister(member.socket)

    def _send(self, member: Member, piece: int) -> None:
        if member.closed_at is None and member.pending:
            with suppress(OSError):
                member.socket.send(member.pending[:piece])
            member.pending = member.pending[piece:]


class Healthy:
    """A caller who asks at a steady pace, on a thread of its own; use as a context.

    Attributes:
        took: Seconds of each answer, in the order of ``sent``, which begins anew at its end.
        statuses: Of each answer; 0 where there was none.
        asked_at: When each was asked for.
    """

    def __init__(self, port: int, per_sec: float = 100, sent: Sequence[bytes] = (GOOD_REQUEST,)) -> None:
        self._port = port
        self._sent = cycle(sent)
        self._pause = 1 / per_sec
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.took: list[float] = []
        self.statuses: list[int] = []
        self.asked_at: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with Caller(self._port) as caller:
                    while not self._stop.wait(self._pause) and self._ask(caller):
                        pass
            except ConnectionRefusedError:
                self.asked_at.append(time.monotonic())
                self.statuses.append(0)
                self._stop.wait(self._pause)

    def _ask(self, caller: Caller) -> bool:
        """Ask once; return whether the connection goes on."""
        caller.data, begun = b"", time.monotonic()
        self.asked_at.append(begun)
        caller.send(next(self._sent))
        answers = caller.read(10, answers=1).answers
        self.took.append(time.monotonic() - begun)
        self.statuses.append(answers[0].status if answers else 0)
        return bool(answers) and answers[0].values("connection") != ["close"]

    @property
    def failed(self) -> int:
        """How many were not served."""
        return len(self.statuses) - self.statuses.count(200)

    @property
    def p99(self) -> float:
        """The 99th percentile of all that came."""
        samples = sorted(self.took)
        return samples[max(0, int(len(samples) * 0.99) - 1)]


def baseline(port: int, secs: float, per_sec: float = PER_SEC) -> Healthy:
    """Return how a healthy caller fares with nobody else about."""
    with Healthy(port, per_sec) as healthy:
        time.sleep(secs)
    return healthy


def slowed(beside: Healthy, alone: Healthy) -> float:
    """Return the 99th percentile beside a crowd as a multiple of that alone, noise taken off the first."""
    return max(0.0, beside.p99 - NOISE_SECS) / alone.p99
