"""Requests as bytes."""

from __future__ import annotations

import json
from typing import Any

KEY = "front-key"
CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GOOD_BODY = json.dumps(GOOD).encode()


def head(*lines: bytes, method: str = "POST", path: str = CHAT, version: str = "1.1", key: str | None = KEY) -> bytes:
    """Return a head with a host, a key (unless it is None) and these lines."""
    shown = "" if key is None else f"Authorization: Bearer {key}\r\n"
    first = f"{method} {path} HTTP/{version}\r\nHost: gateway\r\n{shown}".encode()
    return first + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def request(
    body: bytes = GOOD_BODY,
    *lines: bytes,
    path: str = CHAT,
    kind: bytes = b"application/json",
    key: str | None = KEY,
) -> bytes:
    """Return one whole request with a body of known length."""
    return head(b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *lines, path=path, key=key) + body


def chunked(*parts: bytes, lines: tuple[bytes, ...] = (), path: str = CHAT) -> bytes:
    """Return a request whose chunked body is exactly ``parts``, framing included."""
    return head(b"Content-Type: application/json", b"Transfer-Encoding: chunked", *lines, path=path) + b"".join(parts)


def chunk(data: bytes) -> bytes:
    """Return one well-formed chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"


def chat(**fields: Any) -> bytes:
    """Return the good body with fields laid over it."""
    return json.dumps({**GOOD, **fields}).encode()


GOOD_REQUEST = request()
