"""A recording worker at byte level: it reads no more HTTP than it must, and does what a field of the request says.

The field ``x-script`` of a request holds one of

    whole N           a plain answer of N bytes
    stream N SIZE GAP N events of SIZE bytes, GAP seconds apart, then [DONE]; N 0 never ends
    wait SECS         an answer of two bytes after so long
    raw NAME          the bytes registered under that name, then the end of the connection
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.faults.ledger import Entry, Ledger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine

MODELS = b'{"object":"list","data":[{"id":"m","object":"model","owned_by":"front"}]}'
DISCOVERY = {b"/health": b"{}", b"/v1/models": MODELS}


SEND_BUFFER_BYTES = 1 << 16
"""What the kernel takes of an answer that nobody takes off it."""


class Worker:
    """Serves on its own thread from entering to leaving.

    Attributes:
        ledger: Every request but the gateway's own questions (health, models, version).
        raw: Answers by name, sent as they are.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.ledger = Ledger()
        self.raw: dict[str, bytes] = {}
        self.port = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        """Listen."""
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096, ssl=self._tls))
        listening = self._server.sockets[0]
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # connections inherit it
        self.port = listening.getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ledger.connections += 1
        self.ledger.open_connections += 1
        try:
            with suppress(asyncio.CancelledError):
                await self._requests(Incoming(reader, self.ledger), writer)
        except* OSError:
            pass
        finally:
            self.ledger.open_connections -= 1
            self.ledger.tell()
            writer.close()

    async def _requests(self, incoming: Incoming, writer: asyncio.StreamWriter) -> None:
        while request := await incoming.request():
            if request.discovery is not None:
                self.ledger.received_bytes -= len(request.raw)
                writer.write(answered(request.discovery))
                continue
            entry = self.ledger.begin(request.field(b"x-request-id"), self.url, request.raw)
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(incoming.gone(entry))
                try:
                    await self._script(request, writer, entry)
                    entry.close("answered")
                except OSError:
                    entry.close("aborted")
                    raise
                finally:
                    watch.cancel()
                    self.ledger.tell()

    async def _script(self, request: Request, writer: asyncio.StreamWriter, entry: Entry) -> None:
        words = request.field(b"x-script").split()
        match words:
            case ["whole", size]:
                await send(writer, entry, whole(int(size)))
            case ["stream", number, size, gap]:
                await stream(writer, entry, (int(number), int(size), float(gap)))
            case ["wait", secs]:
                await asyncio.sleep(float(secs))
                await send(writer, entry, answered(b"{}"))
            case ["raw", name]:
                await send(writer, entry, self.raw[name])
                writer.close()
            case _:
                await send(writer, entry, answered(b'{"ok":true}'))


class Request:
    """One request as it came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.raw = head + body
        self.line, *rest = head[:-4].split(b"\r\n")
        self.fields = [tuple(part.strip() for part in line.partition(b":")[::2]) for line in rest]
        self.body = body

    def field(self, name: bytes) -> str:
        """Return the first value of a field, empty if there is none."""
        return next((value.decode("latin-1") for key, value in self.fields if key.lower() == name), "")

    @property
    def discovery(self) -> bytes | None:
        """What to answer to a question of the gateway's own; None for a request of a caller."""
        method, _, rest = self.line.partition(b" ")
        path = rest.partition(b" ")[0]
        own = method == b"GET" and not self.field(b"x-script") and not self.body
        return DISCOVERY.get(path, b'{"version":"1"}') if own else None


class Incoming:
    """What arrives on one connection."""

    def __init__(self, reader: asyncio.StreamReader, ledger: Ledger) -> None:
        self._reader = reader
        self._ledger = ledger
        self._data = bytearray()

    async def request(self) -> Request | None:
        """Return the next request, None at the end."""
        while b"\r\n\r\n" not in self._data:
            if not await self._more():
                return None
        head = self._take(self._data.index(b"\r\n\r\n") + 4)
        request = Request(head, b"")
        if request.field(b"transfer-encoding"):
            return Request(head, await self._chunks())
        length = int(request.field(b"content-length") or 0)
        while len(self._data) < length:
            if not await self._more():
                return None
        return Request(head, self._take(length))

    async def gone(self, entry: Entry) -> None:
        """Note when the other side leaves before the answer is out, and end the answer by an error."""
        with suppress(OSError):  # a reset is an end like any other
            while await self._more():
                pass
        entry.close("aborted")
        self._ledger.tell()
        raise ConnectionResetError("the other side has left")

    async def _chunks(self) -> bytes:
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            if not self._data and not await self._more():
                return body
            body += self._take(len(self._data))
        return body

    async def _more(self) -> bool:
        data = await self._reader.read(1 << 16)
        self._data += data
        self._ledger.received_bytes += len(data)
        return bool(data)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken


@functools.lru_cache(maxsize=4)
def whole(size: int) -> bytes:
    """Return a plain answer of so many bytes, the same object for a whole crowd."""
    return answered(b'"' + b"x" * (size - 2) + b'"')


def answered(body: bytes) -> bytes:
    """Return one plain answer."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


async def stream(writer: asyncio.StreamWriter, entry: Entry, shape: tuple[int, int, float]) -> None:
    """Send events until their number is reached."""
    number, size, gap = shape
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    event = b'data: {"t":"' + b"x" * (size - 16) + b'"}\n\n'
    sent = 0
    while not number or sent < number:
        await send(writer, entry, b"%x\r\n%b\r\n" % (len(event), event))
        sent += 1
        await asyncio.sleep(gap)
    await send(writer, entry, b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


async def send(writer: asyncio.StreamWriter, entry: Entry, data: bytes) -> None:
    """Send with back-pressure, noting what went out."""
    for start in range(0, len(data), 1 << 16):
        piece = data[start : start + (1 << 16)]
        writer.write(piece)
        await writer.drain()
        entry.sent += len(piece)
