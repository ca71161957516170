"""A chat request as any caller would send it, over a plain socket."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.cli.words import CommandError
from smg.core.words import WorkerId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ANSWER_SECS = 30.0
QUESTION = "What does a gateway for inference do?"


@dataclass(frozen=True, slots=True)
class Answer:
    """A streamed answer whose head has come.

    Attributes:
        headers: By lower-case name.
    """

    headers: Mapping[str, str]
    body: asyncio.StreamReader

    @property
    def worker_id(self) -> WorkerId:
        """The worker that answers."""
        return WorkerId(self.headers["x-smg-routed-worker-id"])

    async def texts(self) -> AsyncIterator[str]:
        """Yield the pieces of the answer as they come; lines of other kinds (chunk sizes) are passed over."""
        while line := await self.body.readline():
            data = line.removeprefix(b"data: ").strip()
            if data == b"[DONE]":
                return
            if line.startswith(b"data: "):
                for choice in json.loads(data)["choices"]:
                    yield choice["delta"].get("content") or ""


@asynccontextmanager
async def stream_chat(host: str, port: int, model: str) -> AsyncIterator[Answer]:
    """Ask the sample question; leaving the block hangs up.

    Raises:
        CommandError: The gateway refuses.
        OSError: The gateway cannot be reached, or is too late.
    """
    async with asyncio.timeout(ANSWER_SECS):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(_request(host, port, model))
            status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
            if status != "200":
                raise CommandError(f"the gateway answered {status}, {headers.get('x-smg-error-code')}")
            yield Answer(headers, reader)
        finally:
            writer.close()


def _request(host: str, port: int, model: str) -> bytes:
    body = json.dumps(
        {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": QUESTION}],
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def _head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode().split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    return first.split(" ")[1], {name.lower(): value.strip() for name, _, value in fields}
