"""The head of a worker's answer, read as strictly as a request's: one meaning, or the worker's failure.

A response is framed by its length, by chunks, or by the connection's end, and says so once. What two readers could
understand in two ways would let a worker put an answer of its own before the next caller of the connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smg.core.errors import BadFramingError
from smg.core.request import RawHeaders  # noqa: TC001  (the types of pure functions are read with them)
from smg.wire.http_fields import (
    HEAD_END,
    TEMPLATE_BYTES,
    HeadTemplate,
    head_fields,
    is_length,
    template_of,
    without_length,
)
from smg.wire.http_head import CLEAN

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEAD_BYTES: Final = 64 << 10
MAX_FIELDS: Final = 256

LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*+)?\r\n")
FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
LISTS: Final = frozenset({b"connection", b"content-encoding"})
BODILESS: Final = frozenset({204, 304})
SWITCHING: Final = 101
FIRST_FINAL: Final = 200
"""The first status that no other head follows."""


class AnswerHead:
    """What a head says.

    Attributes:
        headers: All fields but the length.
        fields: By names in lower case; see ``first_values``.
        content_type: See ``media_type``.
        length: Bytes of body, 0 where there is none; None where the chunks or the connection's end tell.
        chunked: The body comes in chunks.
        keep_alive: Another request may follow on the connection.
    """

    __slots__ = ("chunked", "content_type", "fields", "headers", "keep_alive", "length", "status")

    def __init__(  # noqa: PLR0913
        self,
        status: int,
        headers: RawHeaders,
        fields: dict[bytes, bytes],
        *,
        content_type: bytes,
        length: int | None,
        chunked: bool,
        keep_alive: bool,
    ) -> None:
        self.status = status
        self.headers = headers
        self.fields = fields
        self.content_type = content_type
        self.length = length
        self.chunked = chunked
        self.keep_alive = keep_alive

    def sized(self, length: int) -> AnswerHead:
        """Return the same for a body of ``length``."""
        return AnswerHead(
            self.status,
            self.headers,
            self.fields,
            content_type=self.content_type,
            length=length,
            chunked=self.chunked,
            keep_alive=self.keep_alive,
        )


class AnswerReader:
    """Reads the heads of one worker; one that says what the last one said, but for its length, is not read anew.

    Those without a length are kept apart: heads of streams and of whole answers may take turns.
    """

    __slots__ = ("_last", "_template", "_unsized", "_unsized_block")

    def __init__(self) -> None:
        self._template: HeadTemplate | None = None
        self._last: AnswerHead | None = None
        self._unsized: AnswerHead | None = None
        self._unsized_block = b""

    def read(self, data: bytes) -> tuple[AnswerHead | None, bytes]:
        """Return the head that ``data`` opens with, and what follows; None where it is not whole, and what there is.

        Interim heads (1xx), which say that another follows, are passed over, as many as there are.

        Raises:
            BadFramingError: One is not plain HTTP/1, or turns to another protocol.
        """
        block, end, rest = data.partition(HEAD_END)
        while end:
            head = self._known(block)
            if head.status == SWITCHING:
                raise BadFramingError("the worker speaks another protocol now")
            if head.status >= FIRST_FINAL:
                return head, rest
            data = rest
            block, end, rest = data.partition(HEAD_END)
        if len(data) > MAX_HEAD_BYTES:
            raise _malformed()
        return None, data

    def _known(self, block: bytes) -> AnswerHead:
        length = None if self._template is None else self._template.length(block)
        if length is not None and self._last is not None:
            return self._last.sized(length)
        if self._unsized is not None and block == self._unsized_block:
            return self._unsized
        head = read_answer_head(block + HEAD_END)
        if head.length and (template := template_of(block)) is not None:
            self._template, self._last = template, head
        elif head.length is None and len(block) <= TEMPLATE_BYTES:
            self._unsized_block, self._unsized = block, head
        return head


def read_answer_head(block: bytes) -> AnswerHead:
    """Return what ``block``, which ends with its first empty line, says.

    Raises:
        BadFramingError: It is not plain HTTP/1, or is framed in two ways.
    """
    line = LINE.match(block)
    if line is None or len(block) > MAX_HEAD_BYTES or block.translate(CLEAN) != block:
        raise _malformed()
    status = int(line[2])
    headers = head_fields(block)
    if len(headers) > MAX_FIELDS:
        raise _malformed()
    fields = first_values(headers)
    length, chunked = _framing(fields)
    if status in BODILESS or status < FIRST_FINAL:
        length, chunked = 0, False
    framed = chunked or length is not None
    keep_alive = framed and _keeps_alive(fields.get(b"connection"), modern=line[1] == b"1")
    return AnswerHead(
        status,
        without_length(headers),
        fields,
        content_type=media_type(fields),
        length=length,
        chunked=chunked,
        keep_alive=keep_alive,
    )


def _keeps_alive(options: bytes | None, *, modern: bool) -> bool:
    if options is None:
        return modern
    options = options.lower()
    return b"close" not in options and (modern or b"keep-alive" in options)


def first_values(headers: RawHeaders) -> dict[bytes, bytes]:
    """Return the first value of each field; of one that is a list, or that frames and contradicts itself, all."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if (key := name.lower()) not in fields:
            fields[key] = value
        elif key in LISTS or (key in FRAMING and fields[key] != value):
            fields[key] += b"," + value
    return fields


def media_type(fields: Mapping[bytes, bytes]) -> bytes:
    """Return what a body is by its head, in lower case and without parameters; empty where nothing is named."""
    return fields.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _framing(fields: dict[bytes, bytes]) -> tuple[int | None, bool]:
    """Return the length, and whether there are chunks."""
    length, coding = fields.pop(b"content-length", None), fields.get(b"transfer-encoding")
    if coding is not None and (length is not None or coding.lower() != b"chunked"):
        raise _malformed()
    if length is not None and not is_length(length):
        raise _malformed()
    return None if length is None else int(length), coding is not None


def _malformed() -> BadFramingError:
    return BadFramingError("the answer is not plain http/1.1")
