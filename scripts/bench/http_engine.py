"""A canned HTTP engine that costs as little as Python can: one answer, or one stream, whatever is asked.

usage: python -m scripts.bench.http_engine PORT CHUNKS PAUSE_MS

A body that holds ``"stream":true`` is answered by CHUNKS events, PAUSE_MS apart and each in a write of its own; with
``"user":"idle"`` beside it the stream stops after its first event and stays open.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import httptools
import uvloop
from typing_extensions import override

PAIR = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"tiny","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"A canned answer of moderate length, long enough to look like one '
    b'sentence or two of an assistant that was asked something simple."},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}'
)
MODELS = b'{"object":"list","data":[{"id":"tiny","object":"model","owned_by":"vllm","max_model_len":8192}]}'
INFO = b'{"model_path":"tiny","served_model_name":"tiny","is_generation":true,"dp_size":1,"version":"0.5"}'
EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"tiny","choices":'
    b'[{"index":0,"delta":{"content":"token"},"logprobs":null,"finish_reason":null}]}\n\n'
)
LAST = EVENT.replace(b'"finish_reason":null', b'"finish_reason":"stop"')
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNK = chunked(EVENT)
END = chunked(LAST) + chunked(DONE) + b"0\r\n\r\n"
PLAIN = PAIR % (len(ANSWER), ANSWER)


class Engine(asyncio.Protocol):
    """One connection."""

    def __init__(self, chunks: int, pause_secs: float) -> None:
        self._chunks = chunks
        self._pause_secs = pause_secs
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._url = b""
        self._left = 0
        self._held = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Note what is asked."""
        self._url = url
        self._body.clear()

    def on_body(self, data: bytes) -> None:
        """Keep the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Answer."""
        body = b"".join(self._body)
        if b'"stream":true' in body:
            self._transport.write(HEAD)
            self._held, self._left = b'"user":"idle"' in body, self._chunks
            self._more()
        elif b"completions" in self._url:
            self._transport.write(PLAIN)
        else:
            told = MODELS if b"models" in self._url else INFO
            self._transport.write(PAIR % (len(told), told))

    def _more(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(CHUNK)
        self._left -= 1
        if self._held:
            return
        if self._left:
            asyncio.get_running_loop().call_later(self._pause_secs, self._more)
        else:
            self._transport.write(END)


async def main(port: int, chunks: int, pause_secs: float) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Engine(chunks, pause_secs), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
