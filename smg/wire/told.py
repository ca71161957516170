"""What an engine's JSON tells beside its content: that it is whole, and whether it is an error in an answer's place.

A document is skipped over, not built: only its error is decoded, where it has one. What msgspec skips it checks to the
last byte, all but the UTF-8 inside of strings; so that is checked apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from smg.wire.shapes import TellingDocument

_LIST: Final = re.compile(rb"[ \t\r\n]*\[")


class BrokenJsonError(ValueError):
    """The bytes are not one JSON document of the kind that is owed, in UTF-8."""


_object: Final = msgspec.json.Decoder(TellingDocument)
_list: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class ToldError:
    """An error that came in place of an answer, or of one of its events.

    Attributes:
        document: All of it, as the engine wrote it.
        status: 400 to 499 where the engine blames the caller; None where it blames itself or nobody.
    """

    document: bytes
    status: int | None


def told_error(document: bytes, *, or_list: bool = False) -> ToldError | None:
    """Return the error that a document tells, as ``{"error": ...}`` or ``{"object": "error", ...}``; None if none.

    Args:
        document: At most as large as may be walked at once; about 160 us per MiB of text.
        or_list: An array will do as well as an object.

    Raises:
        BrokenJsonError: It is not one object, or array, of JSON in UTF-8.
    """
    try:
        if not document.isascii():
            document.decode()
        if or_list and _LIST.match(document):
            _list.decode(document)
            return None
        told = _object.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BrokenJsonError("not one JSON document in UTF-8") from None
    return _error_of(told, document)


def _error_of(told: TellingDocument, document: bytes) -> ToldError | None:
    if told.object == "error":
        return ToldError(document, _callers_status(told.code))
    if told.error:
        code = told.error.get("code") if isinstance(told.error, dict) else None
        return ToldError(document, _callers_status(code))
    return None


def _callers_status(code: object) -> int | None:
    return code if isinstance(code, int) and 400 <= code < 500 else None  # noqa: PLR2004
