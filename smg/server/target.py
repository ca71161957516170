"""The request's head before anything is routed: one meaning, or none."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from smg.core.errors import BadFramingError, UnsupportedMediaTypeError
from smg.core.request import RawHeaders  # noqa: TC001  (the types of pure functions are read with them)

ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
AMBIGUOUS = re.compile(r"%2f|%5c|%00|[\\#\x00-\x20\x7f]", re.IGNORECASE)
HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
ENCODED_SLASH = re.compile(r"%2f", re.IGNORECASE)
ONE_NAME = "/v1/models/"
"""What follows is one name to its end; names of models hold slashes, which some clients encode."""
VERSIONS = frozenset({(1, 0), (1, 1)})


def split_target(target: str) -> tuple[str, str]:
    """Return the path in normal form (percent-decoded once) and the raw query.

    Raises:
        BadFramingError: Two servers could read the path differently: dot segments, encoded slashes outside of a
            model's name, control characters, broken escapes, bytes that are not UTF-8.
    """
    if absolute := ABSOLUTE.match(target):
        target = target[absolute.end() :] or "/"
    raw, _, query = target.partition("?")
    if not raw.startswith("/") or AMBIGUOUS.search(_but_for_names(raw)) or BAD_ESCAPE.search(raw):
        raise BadFramingError("the path is not in normal form")
    path = _decoded(raw)
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise BadFramingError("the path is not in normal form")
    return path, query


def check_head(version: tuple[int, int], headers: RawHeaders) -> None:
    """Refuse a head that leaves its framing or its host open to readings.

    Raises:
        BadFramingError: An HTTP version that is not served, a missing, doubled or malformed Host, any
            Transfer-Encoding but ``chunked``, or one in HTTP/1.0.
        UnsupportedMediaTypeError: The body is compressed.
    """
    if version not in VERSIONS:
        raise BadFramingError("the HTTP version is not served")
    hosts = _values(headers, b"host")
    if len(hosts) > 1 or (not hosts and version != (1, 0)) or not all(HOST.fullmatch(host) for host in hosts):
        raise BadFramingError("the host field is missing or malformed")
    codings = _values(headers, b"transfer-encoding")
    if codings and (version == (1, 0) or [coding.lower() for coding in codings] != [b"chunked"]):
        raise BadFramingError("the transfer coding is not served")
    if any(coding.lower() != b"identity" for coding in _values(headers, b"content-encoding")):
        raise UnsupportedMediaTypeError("compressed request bodies are not served")


def _but_for_names(raw: str) -> str:
    """Return what of a path must hold no encoded slash, with plain ones in the place of those that may stay."""
    return ENCODED_SLASH.sub("/", raw) if raw.startswith(ONE_NAME) else raw


def _decoded(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError as error:
        raise BadFramingError("the path is not UTF-8") from error


def _values(headers: RawHeaders, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]
