"""Which header fields pass, in each direction.

All pass but those of one hop, those that the next hop makes anew, and the gateway's own. aiohttp's writer
encodes field values as UTF-8 and drops what is not a character, so a value that is not UTF-8 cannot reach
a worker as it was; such a request is refused rather than changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smg.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smg.core.request import RawHeaders

HOP_BY_HOP = frozenset({
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"trailers",
    b"transfer-encoding",
    b"upgrade",
})  # fmt: skip
REQUEST_ID = b"x-request-id"
MADE_BY_THE_CLIENT = frozenset({b"host", b"content-length", b"expect", REQUEST_ID})
MADE_BY_THE_FRONT = frozenset({b"server", b"date", b"content-length", REQUEST_ID})
CREDENTIALS = frozenset({b"authorization", b"x-api-key"})
INTERNAL = (b"x-smg-", b"x-forwarded-", b"x-data-parallel-rank")
"""What only the gateway may say to a worker, however a caller spells it: its own fields, who called, which rank."""

CARRIED = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))  # noqa: PLR2004


def upstream_headers(
    headers: RawHeaders, *, request_id: str, api_key: str | None, gateway_auth: bool
) -> list[tuple[bytes, bytes]]:
    """Return the fields a worker gets: every value in order, less those that are not for it.

    Args:
        headers: As the caller sent them.
        request_id: Sent as the only ``x-request-id``.
        api_key: The worker's key; it replaces the caller's credentials. None leaves them.
        gateway_auth: The caller's credentials were the gateway's own, and are never passed on.

    Raises:
        InvalidRequestError: A field is not UTF-8 or holds a control character.
    """
    dropped = HOP_BY_HOP | MADE_BY_THE_CLIENT | named_by_connection(headers)
    if gateway_auth or api_key is not None:
        dropped |= CREDENTIALS
    kept = [field for field in headers if passes_up(field[0].lower(), dropped)]
    check_carried(kept)
    kept.append((REQUEST_ID, request_id.encode()))
    if api_key is not None:
        kept.append((b"authorization", b"Bearer " + api_key.encode()))
    return kept


def request_head(start: str, host: bytes, headers: Iterable[tuple[bytes, bytes]], length: int | None) -> bytes:
    """Return the head of a request to a worker.

    Args:
        start: Method and path.
        host: What the worker is known by.
        headers: All other fields.
        length: Bytes of the body; None where there is none.
    """
    fields = b"".join([b"%b: %b\r\n" % field for field in headers])
    end = b"\r\n" if length is None else b"content-length: %d\r\n\r\n" % length
    return b"%b HTTP/1.1\r\nhost: %b\r\n%b%b" % (start.encode(), host, fields, end)


def downstream_headers(headers: RawHeaders) -> RawHeaders:
    """Return the fields of a worker's answer that its caller gets: every value, in order, as it came.

    The worker's ``x-request-id`` is not among them, since the gateway answers with its own.
    """
    dropped = HOP_BY_HOP | MADE_BY_THE_FRONT | named_by_connection(headers)
    return tuple((name, value) for name, value in headers if name.lower() not in dropped)


def named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    """Return the fields that the sender of this hop declared to be of this hop."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


def passes_up(name: bytes, dropped: frozenset[bytes]) -> bool:
    """Tell whether a field, its name in lower case, goes to a worker; our own are known with ``_`` for ``-``, too."""
    return name not in dropped and not name.replace(b"_", b"-").startswith(INTERNAL)


def check_carried(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse fields that not every way to a worker would carry as they are."""
    block = b"".join([part for field in fields for part in field])
    if block.translate(None, CARRIED):
        raise InvalidRequestError("a header field holds a control character")
    if not block.isascii():
        _check_utf_8(fields)


def _check_utf_8(fields: Iterable[tuple[bytes, bytes]]) -> None:
    try:
        for name, value in fields:
            name.decode()
            value.decode()
    except UnicodeDecodeError:
        raise InvalidRequestError("a header field is not utf-8") from None
