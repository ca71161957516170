"""Scripted backends in a process of their own; the name of a request says what it meets.

usage: python -m tests.faults.proof.backend_process http|grpc[:STREAMS] ...

STREAMS is how many calls at once a gRPC engine allows on a connection.

A line ``tell`` is answered by a line of JSON with the sums of the book, a line ``book WORD`` by one with the attempts
at requests whose name begins so.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.back import grpc_words, http_words
from tests.faults.back.book import Book
from tests.faults.back.grpc_backend import GrpcBackend
from tests.faults.back.http_backend import HttpBackend
from tests.faults.back.steps import Play, Reset, Send, Silence, Status, Wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.back.book import Attempt
    from tests.faults.back.steps import Script

QUICK_SECS = 0.02
BEAT_SECS = 5.0
BEATS = 1000
BEGUN = Send(http_words.BEGUN)
BEAT = Send(http_words.chunk(b": alive\n\n"))

SCRIPTS: dict[str, dict[str, Script]] = {
    "http": {
        "plain": http_words.good(stream=False),
        "large": (Send(http_words.plain(http_words.plain_body("x" * 60_000))),),
        "quick": (Wait(QUICK_SECS), *http_words.good(stream=False)),
        "fails": (Reset(),),
        "stuck": (Silence(),),
        "held": (BEGUN, Silence()),
        "idle": (BEGUN, *(Wait(BEAT_SECS), BEAT) * BEATS),
    },
    "grpc": {
        "plain": grpc_words.good(stream=False),
        "large": grpc_words.good(stream=False),
        "quick": (Wait(QUICK_SECS), *grpc_words.good(stream=False)),
        "fails": (Status(grpc_words.INTERNAL),),
        "stuck": (Silence(),),
        "held": (*grpc_words.THREE, Silence()),
    },
}
"""What a request meets, by the letters its name begins with: an answer, a failure, silence, a stream that stands."""

WORD = re.compile("[a-z]+")


@dataclass
class NamedPlay(Play):
    """Gives each attempt the script that the request's name asks for."""

    acts: Sequence[Script] = ()
    scripts: dict[str, Script] = field(default_factory=dict)

    def act(self, attempt: Attempt) -> Script:
        """Return the script of an attempt."""
        word = WORD.match(attempt.request_id)
        return self.scripts[word[0] if word else ""]


def sums(book: Book) -> dict[str, Any]:
    """Return the book in short: attempts in all, running, requests, and how attempts at each word of names ended."""
    ended = Counter(f"{(WORD.match(one.request_id) or [''])[0]} {one.ended}" for one in book.attempts)
    requests = len({one.request_id for one in book.attempts})
    return {"attempts": len(book.attempts), "running": book.running, "requests": requests, "ended": ended}


def entries(book: Book, word: str) -> list[tuple[str, str, float, float | None]]:
    """Return name, backend, begin and end of each attempt at requests of these names."""
    return [
        (one.request_id, one.backend, one.begun_at, one.ended_at)
        for one in book.attempts
        if one.request_id.startswith(word)
    ]


def backend(mode: str, name: str, book: Book) -> HttpBackend | GrpcBackend:
    """Return one engine."""
    kind, _, streams = mode.partition(":")
    play = NamedPlay(scripts=SCRIPTS[kind])
    if kind == "http":
        return HttpBackend(name, book, play)
    engine = GrpcBackend(name, book, play)
    engine.max_streams = int(streams or engine.max_streams)
    return engine


async def main(modes: list[str]) -> None:
    """Serve until standard input ends."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    book = Book()
    async with AsyncExitStack() as stack:
        engines: list[Any] = [backend(mode, f"b{number}", book) for number, mode in enumerate(modes)]
        urls = [(await stack.enter_async_context(engine)).url for engine in engines]
        while line := (await lines.readline()).decode().split():
            told = {"book": entries(book, line[1])} if line[0] == "book" else {"urls": urls, **sums(book)}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
