"""The top level of a JSON object: where each field's value begins and ends in the bytes.

The gateway forwards a body as it came, so it must read a field exactly as the worker will. Decoders differ
on a field given twice (msgspec keeps the last, others the first), therefore no top-level name may repeat.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from smg.core.errors import InvalidJsonError, InvalidRequestError
from smg.wire.guard import NOT_ONE_OBJECT

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

KEY: Final = re.compile(rb'[ \t\r\n]*+[{,][ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
END: Final = re.compile(rb"[ \t\r\n]*+\{?[ \t\r\n]*+\}[ \t\r\n]*+")
SHORT_BYTES = 64 << 10
LEAST_FIELD_BYTES: Final = len(b'"":0,')
MAX_FIELDS: Final = 1_000
MAX_NAME_CHARS: Final = 256

_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_fields(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the top-level fields with their values undecoded but validated; of a repeated one, the last.

    ``body`` must have passed ``check_json``.

    Raises:
        InvalidJsonError: The body is not exactly one JSON object, or has more fields or longer names than
            any request has any use for, so that a walk over them is short.
    """
    try:
        fields = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidJsonError(NOT_ONE_OBJECT) from None
    if len(fields) > MAX_FIELDS:
        raise InvalidJsonError(f"the body has more than {MAX_FIELDS} fields")
    for name in fields:
        if len(name) > MAX_NAME_CHARS:
            raise InvalidJsonError(f"a field's name has more than {MAX_NAME_CHARS} characters")
    return fields


def refuse_repeats(body: bytes, fields: Mapping[str, msgspec.Raw], known: Container[str]) -> None:
    """Refuse a repeated name, as ``locate`` does; costs little for a body as clients write them."""
    if not surely_distinct(body, fields):
        locate(body, fields, known)


def surely_distinct(body: bytes, fields: Mapping[str, msgspec.Raw]) -> bool:
    """Tell whether ``body``, its white space aside, has no room for one of its ``fields`` to stand there twice."""
    if no_room(body, fields):
        return True
    if len(body) > SHORT_BYTES:  # to write it anew costs more than the walk
        return False
    bare = msgspec.json.format(body, indent=-1)
    return no_room(bare, _decoder.decode(bare))


def no_room(body: bytes, fields: Mapping[str, msgspec.Raw]) -> bool:
    """Tell whether what ``fields`` do not take of ``body`` is less than the least field, with the shortest name, needs.

    They take the least, too: no spelling of a name is shorter than its characters.
    """
    marks = 4 * len(fields) + 1  # a name's quotes, its colon, and a comma or the last brace; the first brace
    taken, shortest = marks, MAX_NAME_CHARS
    for name, raw in fields.items():
        taken += len(name) + len(raw)
        shortest = min(shortest, len(name))
    return len(body) - taken < LEAST_FIELD_BYTES + (shortest if fields else 0)


def locate(body: bytes, fields: Mapping[str, msgspec.Raw], known: Container[str]) -> dict[str, slice]:
    """Return where the value of each field stands in ``body``, whose ``fields`` have been read.

    Walks the text field by field and holds each against what was decoded: with no name repeated, both run
    side by side to the end.

    Raises:
        InvalidRequestError: A name is repeated, however it is spelt; ``param`` is that name if ``known``.
    """
    places: dict[str, slice] = {}
    position = 0
    for name, raw in fields.items():
        key = KEY.match(body, position)
        if key is None or not same_name(key[1], name) or not body.startswith(raw, key.end()):
            raise repeated(key, known)
        position = key.end() + len(raw)
        places[name] = slice(key.end(), position)
    if END.fullmatch(body, position) is None:
        raise repeated(KEY.match(body, position), known)
    return places


def same_name(key: bytes, name: str) -> bool:
    """Tell whether ``key``, a JSON string in its quotes, spells ``name``."""
    if b"\\" in key:
        return bool(msgspec.json.decode(key) == name)
    return key[1:-1] == name.encode()


def repeated(key: re.Match[bytes] | None, known: Container[str]) -> InvalidRequestError:
    """Return the error for the repeated name at ``key``; names that are not ours are not echoed."""
    name = key and msgspec.json.decode(key[1])
    param = name if isinstance(name, str) and name in known else None
    return InvalidRequestError(f"the field {param or 'of one name'} is given more than once", param=param)
