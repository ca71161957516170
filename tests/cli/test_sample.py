"""The demonstration's caller."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from smg.cli.sample import stream_chat
from smg.cli.words import CommandError
from tests.serving import serving

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"
EVENT = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n'


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[int]:
    """Serve these bytes to whoever asks, and yield the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    async with serving(answer) as port:
        yield port


async def test_pieces_of_a_chunked_stream_are_yielded():
    """Sizes of chunks, empty choices and the end mark are no text."""
    head = b"HTTP/1.1 200 OK\r\nX-SMG-Routed-Worker-Id: w1\r\n\r\n"
    body = b"2f\r\n" + EVENT % b"Hel" + b"\r\n" + b'data: {"choices": []}\n\n' + EVENT % b"lo" + b"data: [DONE]\n\n"

    async with answering(head + body) as port, stream_chat(HOST, port, "m") as answer:
        assert answer.worker_id == "w1"
        assert [text async for text in answer.texts()] == ["Hel", "lo"]


async def test_refusal_is_told():
    """An answer that is no stream ends the command with status and code."""
    async with answering(b"HTTP/1.1 503 No\r\nx-smg-error-code: no_available_workers\r\n\r\n") as port:
        with pytest.raises(CommandError, match="503, no_available_workers"):
            async with stream_chat(HOST, port, "m"):
                pass
