"""Bytes of an HTTP engine, right and wrong: heads, bodies, events."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.back.steps import Send

WORDS = ("one", " two", " three")
TEXT = "".join(WORDS)
DONE = b"data: [DONE]\n\n"


def head(*fields: str, status: int = 200) -> bytes:
    """Return a response head with these fields."""
    return "\r\n".join([f"HTTP/1.1 {status} Told", *fields, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of chunked coding."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(content: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """Return one chat event."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    data = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def plain_body(content: str = TEXT) -> bytes:
    """Return a whole chat answer."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    answer = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(answer).encode()


def plain(body: bytes | None = None, *fields: str, status: int = 200) -> bytes:
    """Return a whole answer with its length."""
    body = plain_body() if body is None else body
    kind = "Content-Type: application/json"
    return head(kind, f"Content-Length: {len(body)}", *fields, status=status) + body


SSE_HEAD = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
EVENTS = tuple(event(word) for word in WORDS)
LAST = event(finish="stop")
STREAM = SSE_HEAD + b"".join(map(chunk, (*EVENTS, LAST, DONE))) + b"0\r\n\r\n"
BEGUN = SSE_HEAD + chunk(EVENTS[0]) + chunk(EVENTS[1])
"""A stream after its second event."""


def error_body(message: str = "told by the worker", code: Any = "engine_says_no") -> bytes:
    """Return an OpenAI-shaped error."""
    return json.dumps({"error": {"message": message, "type": "server_error", "param": None, "code": code}}).encode()


def good(*, stream: bool) -> tuple[Send, ...]:
    """Return the script of an engine that does its work."""
    return (Send(STREAM if stream else plain()),)
