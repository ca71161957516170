"""The request's target before anything is routed: one meaning, or none."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from smg.core.errors import BadFramingError
from smg.core.remembered import Remembered

ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_-]+)+")
BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
AMBIGUOUS: Final = re.compile(r"%2f|%5c|%00|[\\#\x00-\x20\x7f]", re.IGNORECASE)
ENCODED_SLASH: Final = re.compile(r"%2f", re.IGNORECASE)
TARGETS: Final = 256
"""How many are remembered, whatever callers make up."""
ONE_NAME: Final = "/v1/models/"
"""What follows is one name to its end; names of models hold slashes, which some clients encode."""


def split_target(target: str) -> tuple[str, str]:
    """Return the path in normal form (percent-decoded once) and the raw query.

    Raises:
        BadFramingError: Two servers could read the path differently: dot segments, encoded slashes outside of a
            model's name, control characters, broken escapes, bytes that are not UTF-8.
    """
    if _plain[target]:
        return target, ""
    if absolute := ABSOLUTE.match(target):
        target = target[absolute.end() :] or "/"
    raw, _, query = target.partition("?")
    if not raw.startswith("/") or AMBIGUOUS.search(_but_for_names(raw)) or BAD_ESCAPE.search(raw):
        raise BadFramingError("the path is not in normal form")
    path = _decoded(raw)
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise BadFramingError("the path is not in normal form")
    return path, query


def _is_plain(target: str) -> bool:
    return PLAIN.fullmatch(target) is not None


_plain: Final = Remembered(_is_plain, TARGETS)


def _but_for_names(raw: str) -> str:
    """Return what of a path must hold no encoded slash, with plain ones in the place of those that may stay."""
    return ENCODED_SLASH.sub("/", raw) if raw.startswith(ONE_NAME) else raw


def _decoded(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError as error:
        raise BadFramingError("the path is not UTF-8") from error
