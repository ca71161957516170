"""Server-sent events: written one at a time, read back from chunks cut anywhere.

Rules of the reader: a line ends with CR, LF or CRLF; an empty line ends an event; lines that begin with
``:`` are comments; ``data`` lines of one event are joined by LF; other fields are of no use here. An
event that the end of the stream cuts off never happened.
"""

from __future__ import annotations

from typing import Final

DONE: Final = b"data: [DONE]\n\n"
DONE_DATA: Final = b"[DONE]"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """One event has more bytes than the reader's cap."""


def data_event(payload: bytes) -> bytes:
    """Return the event that carries ``payload``, which holds no line end (JSON text never does)."""
    return b"data: " + payload + b"\n\n"


class SseFramer:
    """Cuts a stream of bytes into events, one per stream.

    Holds at most one unfinished event; ``data == DONE_DATA`` is the end by OpenAI's convention, which no
    text inside an event can imitate.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._event: list[bytes] = []
        self._held_bytes = 0
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that ``chunk`` completes, in order.

        Raises:
            EventTooLargeError: An event exceeds the cap; the framer must not be used any further.
        """
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        done: list[bytes] = []
        for piece in chunk.splitlines(keepends=True):
            self._take(piece, done)
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        return done

    def _take(self, piece: bytes, done: list[bytes]) -> None:
        """Add a piece that ends with a line end or with the chunk."""
        text = piece.rstrip(b"\r\n")
        self._hold(len(text))
        self._line += text
        if len(text) < len(piece):
            line = bytes(self._line)
            self._line.clear()
            self._end_line(line, done)

    def _hold(self, count: int) -> None:
        self._held_bytes += count
        if self._held_bytes > self._max_event_bytes:
            raise EventTooLargeError(f"an event has more than {self._max_event_bytes} bytes")

    def _end_line(self, line: bytes, done: list[bytes]) -> None:
        if self._first:
            line, self._first = line.removeprefix(BYTE_ORDER_MARK), False
        if not line:
            self._end_event(done)
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._event.append(value.removeprefix(b" "))
        else:
            self._held_bytes -= len(line)  # comments come for as long as a stream is idle

    def _end_event(self, done: list[bytes]) -> None:
        if self._event:
            done.append(b"\n".join(self._event))
            self._event.clear()
        self._held_bytes = 0
