"""Callers on raw sockets, cheap enough for thousands in one process."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any


def request_bytes(model: str, *, stream: bool, path: str = "/v1/chat/completions") -> bytes:
    """Return one chat request."""
    message = {"role": "user", "content": "Tell me of gateways."}
    body = json.dumps({"model": model, "messages": [message], "stream": stream, "max_tokens": 8}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: proof\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Caller(asyncio.Protocol):
    """One connection; ``first`` is done at the first byte, ``whole`` when a plain answer is whole."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[float] = loop.create_future()
        self.whole: asyncio.Future[bytes] = loop.create_future()
        self.transport: Any = None
        self._data = b""
        self._wanted = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def ask(self, request: bytes, wanted: bytes = b"") -> None:
        """Send a request; ``first`` waits for the bytes ``wanted``, or for any."""
        self._data, self._wanted = b"", wanted
        if self.whole.done():
            self.whole = asyncio.get_running_loop().create_future()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Note what was waited for."""
        self._data += data
        if not self.first.done() and self._wanted in self._data:
            self.first.set_result(time.monotonic())
        head, found, body = self._data.partition(b"\r\n\r\n")
        if found and not self.whole.done():
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length and len(body) >= int(length[0].split(b":")[1]):
                self.whole.set_result(self._data)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell who waits."""
        for waited in (self.first, self.whole):
            if not waited.done():
                waited.set_exception(ConnectionError("closed"))
                waited.exception()


async def call(port: int) -> Caller:
    """Connect one caller."""
    _, caller = await asyncio.get_running_loop().create_connection(Caller, "127.0.0.1", port)
    return caller
