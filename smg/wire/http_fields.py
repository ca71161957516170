"""The fields of a head, a request's or an answer's: each a line of its own, with a name, a colon and a value.

Theory: what a peer says in its head it says again in the next one, all but the body's length. So what was read is kept
with a template of its head, and a head that fits the template is not read again.
"""

from __future__ import annotations

import re
from typing import Final

from smg.core.errors import BadFramingError
from smg.core.remembered import Remembered
from smg.core.request import HEADS, RawHeaders

HEAD_END: Final = b"\r\n\r\n"
TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
NAME: Final = re.compile(TOKEN)
LINES: Final = 1024
"""How many are remembered, whatever others make up."""
LINE_BYTES: Final = 512
"""Of a line that is remembered, at most."""
BLANKS: Final = b" \t"
LENGTH: Final = b"\r\ncontent-length:"
MAX_LENGTH_DIGITS: Final = 18
TEMPLATE_BYTES: Final = 4 << 10
"""Of a head that is kept, at most; it stays as long as the connection."""
UNBROKEN: Final = bytes.maketrans(b"\r\n\0", b"   ")
"""Changes what ends a line or a text, and nothing else; to look for it by ``find`` and ``count`` costs thrice that."""


class HeadTemplate:
    """A head, without its last two line breaks, whose body's length is left open."""

    __slots__ = ("_before", "_behind")

    def __init__(self, before: bytes, behind: bytes) -> None:
        """Take what stands before the length's digits and behind them."""
        self._before = before
        self._behind = behind

    def length(self, block: bytes) -> int | None:
        """Return the length in a head that says the same but for it; None where it says anything else."""
        begin, end = len(self._before), len(block) - len(self._behind)
        if not begin < end <= begin + MAX_LENGTH_DIGITS:
            return None
        digits = block[begin:end]
        if block[:begin] != self._before or block[end:] != self._behind or not digits.isdigit():
            return None
        return int(digits.decode())


def template_of(block: bytes) -> HeadTemplate | None:
    """Return the template of a good head; None where it has no length, or more than one, or is too large to keep."""
    before, _, behind = block.lower().partition(LENGTH)
    value = behind.partition(b"\r\n")[0]
    digits = value.strip(BLANKS)
    if not is_length(digits) or behind.partition(LENGTH)[1] or len(block) > TEMPLATE_BYTES:
        return None
    begin = len(before) + len(LENGTH) + value.find(digits)
    return HeadTemplate(block[:begin], block[begin + len(digits) :])


def is_length(value: bytes) -> bool:
    """Tell whether a field's value is a length: digits and nothing else, and not too many."""
    return value.isdigit() and len(value) <= MAX_LENGTH_DIGITS


def head_fields(block: bytes) -> RawHeaders:
    """Return the fields of ``block``, a whole head: they stand behind its first line.

    Raises:
        BadFramingError: A line is no field, is folded, or holds half of a line break.
    """
    lines = block[: -len(HEAD_END)].split(b"\r\n")
    breaks = len(lines) + 1  # each line's, and the empty one's
    if block.count(b"\n") != breaks or block.count(b"\r") != breaks:
        raise BadFramingError("a line of the head holds half of a line break")
    return tuple([_known_field[line] if len(line) <= LINE_BYTES else _field(line) for line in lines[1:]])


def without_length(fields: RawHeaders) -> RawHeaders:
    """Return all fields but the body's length."""
    return tuple([field for field in fields if field[0].lower() != b"content-length"])


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or NAME.fullmatch(name) is None:
        raise BadFramingError("a field of the head is malformed")
    return name, value.strip(BLANKS)


_known_field: Final = Remembered(_field, LINES)
"""The same, remembered: callers of one kind say the same, and share what was made of it."""


def field_lines(fields: RawHeaders) -> bytes:
    """Return fields as they stand in a head.

    Raises:
        ValueError: One holds a line break or a zero, and would say more than it is.
    """
    lines = b""
    for name, value in fields:
        line = name + b": " + value
        if line.translate(UNBROKEN) != line:
            raise ValueError("a field holds a line break or a zero")
        lines = lines + line + b"\r\n"
    return lines


known_lines: Final = Remembered(field_lines, HEADS)
"""The same, remembered: for fields that come again."""
