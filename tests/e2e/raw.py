"""HTTP by the byte: a caller and an engine on bare sockets, so that nothing between them tidies up."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEADLINE_SECS = 20.0
JSON = b"content-type: application/json"
END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer: its first line, its fields in order, its body with the framing taken off."""

    line: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def status(self) -> int:
        """Return the status of an answer."""
        return int(self.line.split(b" ")[1])

    @property
    def target(self) -> bytes:
        """Return the target of a request."""
        return self.line.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of a field, whose name is in lower case."""
        return [value for key, value in self.fields if key.lower() == name]


def parsed(head: bytes, body: bytes = b"") -> Message:
    """Read a head."""
    line, *fields = head.removesuffix(END).split(b"\r\n")
    pairs = [field.split(b":", 1) for field in fields]
    return Message(line, [(name, value.strip()) for name, value in pairs], body)


def unchunked(body: bytes) -> bytes:
    """Take the chunks apart; raise ValueError if the last one is not there."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return whole
        whole, body = whole + body[:length], body[length + 2 :]


def post(path: str, body: bytes, *fields: bytes) -> bytes:
    """Return a request that closes its connection; ``fields`` are whole lines."""
    lines = (b"POST %b HTTP/1.1" % path.encode(), b"host: gateway.test", b"connection: close", *fields)
    return b"\r\n".join((*lines, b"content-length: %d" % len(body), b"", body))


def get(path: str, *fields: bytes) -> bytes:
    """Return a request that closes its connection."""
    return b"\r\n".join(
        (b"GET %b HTTP/1.1" % path.encode(), b"host: gateway.test", b"connection: close", *fields, END[2:])
    )


async def talk(port: int, sent: bytes) -> bytes:
    """Send bytes and return all that comes back until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_SECS):
            writer.write(sent)
            return await reader.read()
    finally:
        writer.close()


async def exchange(port: int, sent: bytes) -> Message:
    """Send one request and return its answer."""
    head, _, body = (await talk(port, sent)).partition(END)
    answer = parsed(head)
    chunked = answer.values(b"transfer-encoding") == [b"chunked"]
    return Message(answer.line, answer.fields, unchunked(body) if chunked else body)


@dataclass
class RawEngine:
    """An engine that answers each inference request with the bytes of ``answers``, the last for all further ones.

    Attributes:
        seen: The requests in their order, probes and questions about models aside.
    """

    answers: list[bytes]
    port: int = 0
    seen: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        request = parsed(await reader.readuntil(END))
        length = int((request.values(b"content-length") or [b"0"])[0])
        request = Message(request.line, request.fields, await reader.readexactly(length))
        writer.write(self._answer(request))
        await writer.drain()

    def _answer(self, request: Message) -> bytes:
        if request.line.startswith(b"POST"):
            self.seen.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        known = {b"/health": {}, b"/v1/models": {"data": [{"id": "sim", "owned_by": "vllm"}]}}
        document = known.get(request.target)
        return answer(404 if document is None else 200, json.dumps(document).encode())


def answer(status: int, body: bytes, *fields: bytes) -> bytes:
    """Return an answer; ``fields`` are whole lines."""
    lines = (b"HTTP/1.1 %d Whatever" % status, *fields, b"content-length: %d" % len(body), b"connection: close")
    return b"\r\n".join((*lines, b"", body))


@asynccontextmanager
async def raw_engine(*answers: bytes) -> AsyncIterator[RawEngine]:
    """Run an engine that answers with these bytes."""
    engine = RawEngine(list(answers))
    async with serving(engine.serve) as engine.port:
        yield engine
