"""A caller on a raw socket that reads an answer strictly: what is cut short is told from what is whole."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11

if TYPE_CHECKING:
    import ssl

CHAT = "/v1/chat/completions"


@dataclass
class Answer:
    """One answer as it came.

    Attributes:
        whole: The body ended as its framing says.
        secs: From the request's last byte to the answer's.
        first_secs: To the head.
        ended_at: When it had been read; seconds on the monotonic clock.
    """

    status: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    secs: float = 0.0
    first_secs: float = 0.0
    ended_at: float = 0.0

    def field(self, name: str) -> str | None:
        """Return the first value of a response field."""
        return next((value for known, value in self.fields if known == name), None)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """The data of each event; bytes behind the last blank line count as one more."""
        blocks = [block for block in self.body.decode().replace("\r\n", "\n").split("\n\n") if block.strip()]
        told = [[line for line in block.split("\n") if line.startswith("data:")] for block in blocks]
        return ["\n".join(line[5:].removeprefix(" ") for line in lines) for lines in told if lines]

    @property
    def done(self) -> int:
        """How often the stream said [DONE]."""
        return self.events.count("[DONE]")

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Error events."""
        return [one["error"] for one in self._read() if "error" in one]

    @property
    def text(self) -> str:
        """What the answer says."""
        if (self.field("content-type") or "").startswith("text/event-stream"):
            choices = [choice for one in self._read() for choice in one.get("choices", ())]
            return "".join(choice["delta"].get("content") or "" for choice in choices)
        return str(self.json["choices"][0]["message"]["content"])

    def _read(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.events if data != "[DONE]"]


def request(request_id: str, *, stream: bool, path: str = CHAT, fields: tuple[str, ...] = (), **more: Any) -> bytes:
    """Return the bytes of one chat request."""
    body = {"model": "m", "messages": [{"role": "user", "content": "tell"}], "stream": stream, **more}
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", "Content-Type: application/json", f"X-Request-Id: {request_id}"]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", *fields, "", ""]).encode() + data


async def ask(port: int, sent: bytes, within_secs: float = 30.0, tls: ssl.SSLContext | None = None) -> Answer:
    """Send one request on a connection of its own and read its answer to the end, or raise TimeoutError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22, ssl=tls)
    try:
        writer.write(sent)
        async with asyncio.timeout(within_secs):
            return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer to its end, or to where it was cut."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "gateway")]))
    connection.send(h11.EndOfMessage())
    answer, begun, body = Answer(), time.monotonic(), bytearray()
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            match event:
                case h11.NEED_DATA:
                    connection.receive_data(await reader.read(1 << 16))
                case h11.Response():
                    answer.status, answer.first_secs = event.status_code, time.monotonic() - begun
                    answer.fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                case h11.Data():
                    body += event.data
                case _:
                    pass
        answer.whole = isinstance(event, h11.EndOfMessage)
    except (h11.RemoteProtocolError, ConnectionError):
        pass
    answer.body, answer.ended_at = bytes(body), time.monotonic()
    answer.secs = answer.ended_at - begun
    return answer
