"""A caller on a raw socket, and answers read with a parser of our own that forgives nothing."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n((?:[A-Za-z0-9-]+: [^\r\n\x00]*\r\n)*)\r\n")
BIND_ADDRESS_NO_PORT = 24
"""Linux's IP_BIND_ADDRESS_NO_PORT, which Python has no name for."""
BODILESS = (100, 204, 304)


@dataclass(frozen=True)
class Answer:
    """One answer, whole."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of a field; ``name`` is lower case."""
        return [value for key, value in self.fields if key.lower() == name]

    def json(self) -> Any:
        """Return the body decoded."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Got:
    """What came over one connection.

    Attributes:
        rest: Bytes that are no whole answer.
        closed: The other side ended the connection.
        secs: From the first byte sent to the end of reading.
    """

    answers: tuple[Answer, ...]
    rest: bytes
    closed: bool
    secs: float


class Caller:
    """One connection."""

    def __init__(self, port: int, *, window: int | None = None, source: str | None = None) -> None:
        self.socket = socket.socket()
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        if source is not None:
            self.socket.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)  # else the port is nobody else's
            self.socket.bind((source, 0))
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun = time.monotonic()
        self.data = b""
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send; False if the other side has ended the connection meanwhile."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def reset(self) -> None:
        """Leave with a reset."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def read(self, within_secs: float, *, answers: int | None = None) -> Got:
        """Read until so many answers are whole, the end, or the deadline."""
        deadline = time.monotonic() + within_secs
        while not self.closed and (answers is None or len(parsed(self.data)[0]) < answers):
            if not self.more(deadline - time.monotonic()):
                break
        whole, rest = parsed(self.data)
        return Got(tuple(whole), rest, self.closed, time.monotonic() - self.begun)

    def more(self, within_secs: float) -> bool:
        """Read once; False at the deadline or the end."""
        if within_secs <= 0:
            return False
        self.socket.settimeout(within_secs)
        try:
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        self.closed = not data
        self.data += data
        return bool(data)


def exchange(port: int, sent: bytes, within_secs: float, *, answers: int | None = None) -> Got:
    """Connect, send, read, leave."""
    with Caller(port) as caller:
        caller.send(sent)
        return caller.read(within_secs, answers=answers)


def at_once(port: int, requests: list[bytes], within_secs: float) -> list[Got]:
    """Send each request on a connection of its own, all at the same time; return what came."""
    answers: list[Got] = []
    threads = [
        threading.Thread(target=lambda sent=sent: answers.append(exchange(port, sent, within_secs, answers=1)))
        for sent in requests
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(within_secs + 10)
    return answers


def sent(port: int, pieces: Iterable[bytes]) -> bytes:
    """Send the pieces, then end our side; return what came back."""
    with Caller(port) as caller:
        for piece in pieces:
            if piece and not caller.send(piece):
                break
        caller.read(0.03, answers=1)
        with suppress(OSError):
            caller.socket.shutdown(socket.SHUT_WR)  # no more comes: what is not whole will never be
        caller.read(3)
        return caller.data


def parsed(data: bytes) -> tuple[list[Answer], bytes]:
    """Split what came into whole answers and the rest."""
    answers: list[Answer] = []
    while (found := one(data)) is not None:
        answer, data = found
        answers.append(answer)
    return answers, data


def one(data: bytes) -> tuple[Answer, bytes] | None:
    """Return the first answer and what follows it; None if there is no whole one."""
    head = HEAD.match(data)
    if head is None:
        return None
    lines = head[2].decode("latin-1").split("\r\n")[:-1]
    fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    status = int(head[1])
    found = body(data[head.end() :], {name.lower(): value for name, value in fields}, status)
    if found is None:
        return None
    whole, rest = found
    return Answer(status, fields, whole, data[: len(data) - len(rest)]), rest


def body(data: bytes, fields: dict[str, str], status: int) -> tuple[bytes, bytes] | None:
    """Return the body and what follows it; None if it is not whole."""
    if status in BODILESS:
        return b"", data
    if fields.get("transfer-encoding") == "chunked":
        return chunks(data)
    length = int(fields.get("content-length", -1))
    return (data[:length], data[length:]) if 0 <= length <= len(data) else None


def chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """Read a chunked body."""
    whole = b""
    while True:
        line, found, rest = data.partition(b"\r\n")
        if not found:
            return None
        size = int(line, 16)
        if len(rest) < size + 2:
            return None
        whole, data = whole + rest[:size], rest[size + 2 :]
        if not size:
            return whole, data
