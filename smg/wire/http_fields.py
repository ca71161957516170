"""The fields of a head, a request's or an answer's: each a line of its own, with a name, a colon and a value."""

from __future__ import annotations

import re
from functools import lru_cache

from smg.core.errors import BadFramingError
from smg.core.request import RawHeaders  # noqa: TC001  (the types of pure functions are read with them)

HEAD_END = b"\r\n\r\n"
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
NAME = re.compile(TOKEN)
NAMES = 512
"""How many are remembered; those that others make up push each other out."""
BLANKS = b" \t"


def head_fields(block: bytes) -> RawHeaders:
    """Return the fields of ``block``, a whole head: they stand behind its first line.

    Raises:
        BadFramingError: A line is no field, is folded, or holds half of a line break.
    """
    lines = block[: -len(HEAD_END)].split(b"\r\n")
    breaks = len(lines) + 1  # each line's, and the empty one's
    if block.count(b"\n") != breaks or block.count(b"\r") != breaks:
        raise BadFramingError("a line of the head holds half of a line break")
    return tuple([_field(line) for line in lines[1:]])


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not _is_name(name):
        raise BadFramingError("a field of the head is malformed")
    return name, value.strip(BLANKS)


@lru_cache(NAMES)
def _is_name(name: bytes) -> bool:
    return NAME.fullmatch(name) is not None
