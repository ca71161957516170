"""Any bytes from a caller, cut anywhere: each request in them means one thing, and each is answered, once."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import h11

from smg.core.request import reply
from smg.server.http1.connection import Connection
from smg.server.target import split_target
from smg.wire.http_head import HeadLimits
from tests.fuzz.target import CUTS, Cut, Target, seed
from tests.fuzz.wire import Wire
from tests.server.http1.front import LIMITS, Front

if TYPE_CHECKING:
    from smg.core.request import Request, Sink

SMALL = replace(LIMITS, body_bytes=512, head=HeadLimits(line_bytes=128, fields=12, head_bytes=512))
ANSWER = re.compile(rb"HTTP/1\.1 ([2-9][0-9]{2}) ")
READS, PATIENT = 1, 2

CHUNKS = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-trailer: a\r\n\r\n"
GET = b"GET /v1/models?a=b HTTP/1.1\r\nHost: a:1\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Note: \xe9 \t\r\n\r\nabcde"
CHUNKED = b"POST /generate HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS
OLD = b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab"
EXPECTS = b"PUT /%61/b HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\nContent-Length: 03\r\n\r\nabc"
TRAILED = CHUNKED.replace(b"x-trailer: a", b"Content-Length: 2G")
LONGEST = b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"a" * 125 + b"\r\n\r\n"
SEEDS = (GET, POST, CHUNKED, OLD, EXPECTS, TRAILED, LONGEST, GET + POST + CHUNKED + GET, CHUNKED + OLD + GET)


@dataclass(frozen=True)
class Seen:
    """One request as somebody read it; ``body`` is None where nobody did."""

    method: str
    path: str
    query: str
    hosts: int
    body: bytes | None


@dataclass
class Served:
    """What became of one connection.

    Attributes:
        begun: Requests handed to the handler.
    """

    begun: int = 0
    seen: list[Seen] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


def run(data: bytes) -> None:
    """Serve the bytes in pieces and in one, and have h11 read them too."""
    cut = Cut.of(data)
    reads, patient = bool(cut.flags & READS), bool(cut.flags & PATIENT)
    with asyncio.Runner() as runner:
        served = runner.run(serve(cut.pieces, reads=reads, patient=patient))
        in_one = runner.run(serve((cut.whole,), reads=reads, patient=False))
    assert served.seen == in_one.seen, "the requests are others in pieces"
    assert served.seen == by_h11(cut.whole, len(served.seen), reads=reads), "h11 reads it otherwise"


async def serve(pieces: tuple[bytes, ...], *, reads: bool, patient: bool) -> Served:
    """Serve one connection to its end; a patient caller waits after each piece."""
    served, errors = Served(), []

    async def handler(request: Request, sink: Sink) -> None:
        served.begun += 1
        body = await request.receive() if reads else None
        hosts = sum(name.lower() == b"host" for name, _ in request.headers)
        served.seen.append(Seen(request.method, request.path, request.query, hosts, body))
        reply(sink, 200, b"well")

    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    connection = Connection(Front(handler, SMALL).listener._service)
    wire = Wire(connection)
    for piece in pieces:
        wire.bring(piece)
        if patient:
            await rest(connection)
    await rest(connection)
    check_rest(connection, wire)
    wire.end()
    await rest(connection)
    assert connection.task is None, "something serves a caller who has gone"
    assert not errors, "an exception was left to the loop"
    served.statuses = [int(status) for status in ANSWER.findall(bytes(wire.sent))]
    check_answers(served)
    return served


async def rest(connection: Connection) -> None:
    """Let everything happen that can happen without another byte."""
    intake: object = connection
    while connection._intake is not intake:
        intake = connection._intake
        for _ in range(3):
            await asyncio.sleep(0)


def check_rest(connection: Connection, wire: Wire) -> None:
    """It waits for the caller, or has closed."""
    intake = connection._intake
    assert wire.closed or intake is None or (intake.wanted and not intake.done), (
        "a request is neither answered nor read"
    )
    assert not wire.aborted, "the connection was torn down"


def check_answers(served: Served) -> None:
    """One answer to each request that was whole, and at most one refusal, the last."""
    assert not [status for status in served.statuses if status >= 500], "the front blames itself"
    good = served.statuses.count(200)
    assert good == len(served.seen), "an answer is missing, or one too many"
    assert served.statuses[:good] == [200] * good, "something is answered behind a refusal"
    assert len(served.statuses) - good <= 1, "one connection is refused twice"


def by_h11(data: bytes, count: int, *, reads: bool) -> list[Seen]:
    """Read the first ``count`` requests with h11; where bodies are not read, one with a body is the last."""
    found: list[Seen] = []
    while len(found) < count:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(data)
        request = connection.next_event()
        assert isinstance(request, h11.Request), "h11 sees no request"
        last = len(found) + 1 == count
        body = None if last and not reads else body_by_h11(connection)
        assert reads or not body, "a request follows a body that nobody read"
        path, query = split_target(request.target.decode())
        hosts = sum(name == b"host" for name, _ in request.headers)
        found.append(Seen(request.method.decode(), path, query, hosts, body if reads else None))
        data = connection.trailing_data[0]
    return found


def body_by_h11(connection: h11.Connection) -> bytes:
    """Read one body to its end."""
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage), "h11 sees no end"
    return body


FRONT = Target(
    name="front",
    seeds=(
        *(seed(request, flags) for flags in (READS, READS | PATIENT, 0) for request in SEEDS),
        *(seed(request, PATIENT, places=bytes(CUTS)) for request in SEEDS),
    ),
    words=(
        *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b": ", b":", b" ", b"\t", b",", b";", b"\0", b"\xe9", b"0\r\n\r\n"),
        *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n", b"Connection: close\r\n"),
        *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"chunked", b"identity", b"gzip", b"HTTP/1.0", b"HTTP/1.1"),
        *(
            b"GET ",
            b"HEAD ",
            b"%2e",
            b"%2f",
            b"//",
            b"/../",
            b"http://x/",
            b"Connection: keep-alive\r\n",
            b"+3",
            b"0x3",
        ),
        *(CHUNKS, GET, POST, b"x" * 130, b"ffffffffffffffff\r\n"),
    ),
    run=run,
    runs=3_000,
)
