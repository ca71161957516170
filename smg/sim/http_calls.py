"""One HTTP request inside an engine, and the endpoints' way to answer it in the runtime's own manner."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
from aiohttp import web

from smg.core.words import Runtime
from smg.sim import vocabulary
from smg.sim.asks import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smg.sim.faults import Fault
    from smg.sim.ledger import Record
    from smg.sim.machine import Machine

B = TypeVar("B")


@dataclass(slots=True)
class Call:
    """A request with its body read and its record opened."""

    machine: Machine
    request: web.Request
    record: Record
    body: bytes
    fault: Fault | None = None

    def decode(self, kind: type[B]) -> B:
        """Return the typed body; raises RefusedError when the body is not of this kind."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusedError(str(error)) from error


Endpoint: TypeAlias = "Callable[[Call], Awaitable[web.StreamResponse]]"


def json_response(document: Any, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


def refusal(runtime: Runtime, status: int, message: str) -> web.Response:
    """Return an error in the shape of the runtime."""
    kind = {400: "BadRequestError", 404: "NotFoundError"}.get(status, "InternalServerError")
    error = {"message": message, "type": kind, "param": None, "code": status}
    return json_response({"error": error} if runtime is Runtime.VLLM else {"object": "error", **error}, status)


def reset(request: web.Request) -> web.Response:
    """Break the connection with a TCP reset; the returned response goes nowhere."""
    if (transport := request.transport) is not None:
        plain = transport.get_extra_info("socket")
        with suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def hang_head(request: web.Request) -> None:
    """Send the first line of a head, then nothing, until the caller leaves."""
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
    await asyncio.Event().wait()


def prompt_ids(prompt: str | list[int]) -> tuple[int, ...]:
    """Return the tokens of a prompt given as text or as tokens; raises RefusedError for an unknown token."""
    if isinstance(prompt, str):
        return tuple(vocabulary.encode(prompt))
    if any(not 0 <= token < vocabulary.VOCABULARY_SIZE for token in prompt):
        raise RefusedError("token id is out of vocabulary")
    return tuple(prompt)
