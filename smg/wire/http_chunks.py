"""A body in chunks, taken apart: strict, at any split of its bytes, and within a size.

What the sender adds around the data (extensions, trailer fields) is checked, dropped, and may be no larger than
``EXTRA_BYTES`` in all. Four steps follow each other: a chunk's size, its data, the line break behind that, and in
place of a size 0 the trailer. Each takes what it can use and returns where it stopped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smg.core.errors import BadFramingError, PayloadTooLargeError
from smg.wire.http_fields import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

EXTRA_BYTES: Final = 8 << 10
SIZE_BYTES: Final = 18
VISIBLE: Final = rb"[^\x00-\x08\x0a-\x1f\x7f]*+"
SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;" + VISIBLE + rb")?)\r\n")
"""The line before a chunk. The blank that HTTP allows before an extension is refused: readers differ over it."""

FRAMES_NOTHING: Final = rb"(?!(?i:content-length|transfer-encoding):)"
"""Who heeds such a field behind the body reads another message."""

TRAILER: Final = re.compile(FRAMES_NOTHING + TOKEN + rb":" + VISIBLE + rb"\r\n")
BREAK: Final = b"\r\n"
SIZE_LINES: Final = [b"%x\r\n" % size for size in range(4096)]
"""The line before a chunk of each of these sizes, as it is mostly written."""


def size_line(size: int) -> bytes:
    """Return the line before a chunk of ``size`` bytes."""
    return SIZE_LINES[size] if size < len(SIZE_LINES) else b"%x\r\n" % size


def one_chunk(data: bytes) -> bytes:
    """Return what is in the one chunk that ``data`` is; empty where it is anything else, or the last."""
    size, most = len(data) - 5, 0xF  # less a digit and two line breaks, and as many digits more as are due
    while size > most:
        size, most = size - 1, most << 4 | 0xF
    line = size_line(size) if size > 0 else BREAK
    begin, end = len(line), len(data) - 2
    if end - begin != size or data[end:] != BREAK or (data[:begin] != line and data[:begin].lower() != line):
        return b""
    return data[begin:end]


class ChunkedBody:
    """Collects one body.

    Attributes:
        content: The data so far.
        done: The last byte of the message has been seen.
    """

    __slots__ = ("_extra", "_kept", "_left", "_max_bytes", "_step", "content", "done")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._extra = EXTRA_BYTES
        self._kept = b""
        self._left = 0
        self._step: Callable[[bytes, int], int] = self._size
        self.content: bytes | bytearray = bytearray()
        self.done = False

    @property
    def size(self) -> int:
        """Bytes of the data so far."""
        return len(self.content)

    @property
    def between(self) -> bool:
        """Whether a chunk's size is what comes next, and nothing of it has come."""
        return not self._kept and self._step == self._size

    def feed(self, data: bytes) -> bytes:
        """Take ``data`` and return what of it belongs to the next message.

        Raises:
            BadFramingError: The chunks are malformed, or too much stands around the data.
            PayloadTooLargeError: The data is, or with the chunk begun will be, larger than ``max_bytes``.
        """
        data, at, stopped = self._kept + data, 0, -1
        while at != stopped and not self.done:
            stopped, at = at, self._step(data, at)
        if self.done:
            return data[at:]
        self._kept = data[at:]
        if len(self._kept) > self._extra + SIZE_BYTES:
            raise BadFramingError("the chunks of the body hold too much besides data")
        return b""

    def _size(self, data: bytes, at: int) -> int:
        line = SIZE.match(data, at)
        if line is None:
            return self._unended(data, at)
        size, extension = line.groups()
        begin = at + len(size) + len(extension) + len(BREAK)
        self._left = int(size, 16)
        if len(self.content) + self._left > self._max_bytes:
            raise PayloadTooLargeError(f"the request's body is larger than {self._max_bytes} bytes")
        self._spend(len(extension))
        end = begin + self._left
        if self._left and data[end : end + 2] == BREAK:  # whole: many tiny chunks must not hold up the loop
            self.content += data[begin:end]
            return end + 2
        self._step = self._data if self._left else self._trailer
        return begin

    def _data(self, data: bytes, at: int) -> int:
        end = min(at + self._left, len(data))
        self.content += data[at:end]
        self._left -= end - at
        if not self._left:
            self._step = self._data_end
        return end

    def _data_end(self, data: bytes, at: int) -> int:
        found = data[at : at + 2]
        if not BREAK.startswith(found):
            raise BadFramingError("a chunk of the body is longer than its size says")
        if found != BREAK:
            return at
        self._step = self._size
        return at + 2

    def _trailer(self, data: bytes, at: int) -> int:
        if data.startswith(BREAK, at):
            self.done = True
            return at + 2
        line = TRAILER.match(data, at)
        if line is None:
            return self._unended(data, at)
        self._spend(line.end() - at)
        return line.end()

    @staticmethod
    def _unended(data: bytes, at: int) -> int:
        """Wait for the rest of a line that is none yet; one that has ended never becomes one."""
        if b"\n" in data[at : at + EXTRA_BYTES]:
            raise BadFramingError("the chunks of the body are malformed")
        return at

    def _spend(self, size: int) -> None:
        self._extra -= size
        if self._extra < 0:
            raise BadFramingError("the chunks of the body hold too much besides data")
