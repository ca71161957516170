"""Which header fields pass, in each direction.

All pass but those of one hop, those that the next hop makes anew, and the gateway's own. aiohttp's writer
encodes field values as UTF-8 and drops what is not a character, so a value that is not UTF-8 cannot reach
a worker as it was; such a request is refused rather than changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smg.core.errors import InvalidRequestError

if TYPE_CHECKING:
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

_not_carried = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def upstream_headers(
    headers: RawHeaders, *, request_id: str, api_key: str | None, gateway_auth: bool
) -> list[tuple[str, str]]:
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
    kept = [(name, value) for name, value in headers if passes_up(name.lower(), dropped)]
    result = [(carried(name), carried(value)) for name, value in kept]
    result.append(("x-request-id", request_id))
    if api_key is not None:
        result.append(("authorization", f"Bearer {api_key}"))
    return result


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


def carried(field: bytes) -> str:
    """Return a name or value as text that encodes to the very same bytes."""
    try:
        text = field.decode()
    except UnicodeDecodeError:
        raise InvalidRequestError("a header field is not utf-8") from None
    if _not_carried.search(text):
        raise InvalidRequestError("a header field holds a control character")
    return text
