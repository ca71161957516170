"""The head of a request, read so strictly that it has one meaning or none.

Theory: two servers in a row that read one message differently are what request smuggling lives on. So nothing is
repaired here. A head is its request line, its fields and an empty line, each ended by CR LF; no byte of it is a
control character, no line is folded, and what frames, types and addresses the message is said once. Any other field
that is repeated counts as the list of its values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smg.core.errors import (
    BadFramingError,
    FieldsTooLargeError,
    GatewayError,
    TargetTooLongError,
    UnsupportedMediaTypeError,
)
from smg.core.remembered import Remembered
from smg.core.request import RawHeaders  # noqa: TC001  (the types of pure functions are read with them)
from smg.wire.http_fields import HEAD_END, HeadTemplate, head_fields, is_length, template_of, without_length

LINE = re.compile(rb"([A-Z]{1,24}) ([\x21\x22\x24-\x7e]++) HTTP/1\.([01])\r\n")
BEGUN_LINE: Final = re.compile(rb"[A-Z]{1,24}+(?: [\x21\x22\x24-\x7e]*+(?: [HTP/1.0]{0,8})?)?\r?")
HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
CLEAN: Final = bytes(byte if byte in b"\t\r\n" or (byte >= 0x20 and byte != 0x7F) else 0x20 for byte in range(256))  # noqa: PLR2004
"""Changes what is a control character, and nothing else; looking whether a translation deletes costs twice as much."""
SINGLE = frozenset({b"content-length", b"content-type", b"host", b"transfer-encoding"})
LISTS: Final = frozenset({b"connection", b"content-encoding", b"expect", b"upgrade"})
HOSTS: Final = 256
"""How many good or bad names are remembered, whatever callers make up."""
UNSERVED_METHODS: Final = frozenset({b"CONNECT", b"PRI", b"TRACE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """How large a head may be.

    Attributes:
        line_bytes: Of the request line, and of each field.
        fields: How many of them.
        head_bytes: Of all together.
    """

    line_bytes: int = 8 << 10
    fields: int = 100
    head_bytes: int = 32 << 10


class Head:
    """What a head says.

    Attributes:
        target: As it was sent, visible ASCII only.
        modern: HTTP/1.1, not 1.0.
        headers: All fields but the length.
        fields: The first value of each, by its name in lower case; a list of values where HTTP makes one of them.
        length: Bytes of body, 0 where there is none; None means that it comes in chunks.
        keep_alive: The caller wants to go on with the connection, and in HTTP.
        expects: The caller sends the body only when invited.
    """

    __slots__ = ("expects", "fields", "headers", "keep_alive", "length", "method", "modern", "target")

    def __init__(  # noqa: PLR0913
        self,
        method: str,
        target: str,
        *,
        modern: bool,
        headers: RawHeaders,
        fields: dict[bytes, bytes],
        length: int | None,
        keep_alive: bool,
        expects: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.modern = modern
        self.headers = headers
        self.fields = fields
        self.length = length
        self.keep_alive = keep_alive
        self.expects = expects

    def sized(self, length: int) -> Head:
        """Return the same for a body of ``length``."""
        return Head(
            self.method,
            self.target,
            modern=self.modern,
            headers=self.headers,
            fields=self.fields,
            length=length,
            keep_alive=self.keep_alive,
            expects=self.expects,
        )


class HeadReader:
    """Reads the heads of one connection; one that says what the last one said, but for its length, is not read anew."""

    __slots__ = ("_last", "_template")

    def __init__(self) -> None:
        self._template: HeadTemplate | None = None
        self._last: Head | None = None

    def read(self, block: bytes, limits: HeadLimits) -> Head:
        """Return what a head says, given without its last two line breaks; raises as ``read_head``."""
        length = None if self._template is None else self._template.length(block)
        if length is not None and self._last is not None:
            return self._last.sized(length)
        head = read_head(block + HEAD_END, limits)
        if (template := template_of(block)) is not None:
            self._template, self._last = template, head
        return head


def read_head(block: bytes, limits: HeadLimits) -> Head:
    """Return what ``block``, which ends with its first empty line, says.

    Raises:
        TargetTooLongError: The request line is too long.
        FieldsTooLargeError: There are too many fields, or too long ones.
        UnsupportedMediaTypeError: The body is compressed.
        BadFramingError: Anything else is not as it must be.
    """
    _check_sizes(block, limits)
    line = LINE.match(block)
    if line is None or line[1] in UNSERVED_METHODS or block.translate(CLEAN) != block:
        raise BadFramingError("the request is not plain http/1.1")
    headers = head_fields(block)
    fields = _learn(headers)
    modern = line[3] == b"1"
    length = _length(fields, modern=modern)
    _check_host(fields.get(b"host"), modern=modern)
    _check_coding(fields)
    return Head(
        line[1].decode(),
        line[2].decode(),
        modern=modern,
        headers=without_length(headers),
        fields=fields,
        length=length,
        keep_alive=_keeps_alive(fields, modern=modern),
        expects=modern and fields.get(b"expect", b"").lower() == b"100-continue",
    )


def check_begun(part: bytes, limits: HeadLimits) -> None:
    """Refuse a head that is not complete yet and cannot become a good one any more.

    Raises:
        GatewayError: As ``read_head`` does.
    """
    _check_sizes(part.removesuffix(b"\r"), limits)  # which is half of a line's end
    line_ended = b"\n" in part
    good = LINE.match(part) if line_ended else BEGUN_LINE.fullmatch(part)
    if not good or (line_ended and part.count(b"\n") != part.count(b"\r\n")):
        raise BadFramingError("the request is not plain http/1.1")


def _check_sizes(block: bytes, limits: HeadLimits) -> None:
    if block.count(b"\n") > limits.fields + 2:
        raise FieldsTooLargeError(f"the request has more than {limits.fields} fields")
    if len(block) > limits.line_bytes:
        for position, line in enumerate(block.split(b"\r\n")):
            if len(line) > limits.line_bytes:
                raise _too_long(line, limits) if position == 0 else FieldsTooLargeError("a field is too long")
    if len(block) > limits.head_bytes:
        raise FieldsTooLargeError(f"the request's head is larger than {limits.head_bytes} bytes")


def _too_long(line: bytes, limits: HeadLimits) -> GatewayError:
    """Tell a target that is too long from bytes that are no request at all."""
    if BEGUN_LINE.fullmatch(line):
        return TargetTooLongError(f"the request line is longer than {limits.line_bytes} bytes")
    return BadFramingError("the request is not plain http/1.1")


def _learn(headers: RawHeaders) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if (key := name.lower()) not in fields:
            fields[key] = value
        elif key in SINGLE:
            raise BadFramingError("a field that must stand once is repeated")
        elif key in LISTS:
            fields[key] += b"," + value
    return fields


def _check_host(host: bytes | None, *, modern: bool) -> None:
    if modern if host is None else not _hosts[host]:
        raise BadFramingError("the host field is missing or malformed")


def _is_host(host: bytes) -> bool:
    return HOST.fullmatch(host) is not None


_hosts: Final = Remembered(_is_host, HOSTS)


def _check_coding(fields: dict[bytes, bytes]) -> None:
    codings = fields.get(b"content-encoding")
    if codings is not None and any(coding.strip().lower() != b"identity" for coding in codings.split(b",")):
        raise UnsupportedMediaTypeError("compressed request bodies are not served")


def _length(fields: dict[bytes, bytes], *, modern: bool) -> int | None:
    length, coding = fields.pop(b"content-length", None), fields.get(b"transfer-encoding")
    if coding is not None:
        if not modern or length is not None or coding.lower() != b"chunked":
            raise BadFramingError("the transfer coding is not served")
        return None
    if length is None:
        return 0
    if not is_length(length):
        raise BadFramingError("the content length is malformed")
    return int(length)


def _keeps_alive(fields: dict[bytes, bytes], *, modern: bool) -> bool:
    options = fields.get(b"connection")
    if options is None:
        return modern and b"upgrade" not in fields
    if options == b"keep-alive":
        return b"upgrade" not in fields
    wanted = {option.strip().lower() for option in options.split(b",")}
    return b"close" not in wanted and (modern or b"keep-alive" in wanted) and b"upgrade" not in fields
