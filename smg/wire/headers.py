"""Which header fields pass, in each direction.

All pass but those of one hop, those that the next hop makes anew, and the gateway's own. aiohttp's writer
encodes field values as UTF-8 and drops what is not a character, so a value that is not UTF-8 cannot reach
a worker as it was; such a request is refused rather than changed.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from smg.core.errors import InvalidRequestError
from smg.core.remembered import Remembered
from smg.core.request import HEADS, RawHeaders
from smg.wire.http_fields import field_lines, known_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HOP_BY_HOP: Final = frozenset({
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
REQUEST_ID: Final = b"x-request-id"
ROUTED_WORKER_ID: Final = b"x-smg-routed-worker-id"
MADE_BY_THE_CLIENT: Final = frozenset({b"host", b"content-length", b"expect", REQUEST_ID})
MADE_BY_THE_FRONT: Final = frozenset({b"server", b"date", b"content-length", REQUEST_ID, ROUTED_WORKER_ID})
OPTIONS: Final = frozenset({b"", b"close", b"keep-alive"})
"""What ``Connection`` says of the connection itself."""

CREDENTIALS: Final = frozenset({b"authorization", b"x-api-key"})
INTERNAL: Final = (b"x-smg-", b"x-forwarded-", b"x-data-parallel-rank")
"""What only the gateway may say to a worker, however a caller spells it: its own fields, who called, which rank."""

NOTHING: Final[frozenset[bytes]] = frozenset()

NAMES: Final = 512
"""How many names of fields are remembered, none longer than a line of a head."""

_CONNECTION_LENGTH: Final = len(b"connection")

CARRIED: Final = bytes(byte if byte == 0x09 or (byte >= 0x20 and byte != 0x7F) else 0x20 for byte in range(256))  # noqa: PLR2004
"""Changes what is a control character, and nothing else."""


def upstream_headers(headers: RawHeaders, *, keyless: bool) -> RawHeaders:
    """Return which of a caller's fields a worker gets: every value in order, less those that are not for it.

    Args:
        headers: As the caller sent them.
        keyless: The caller's credentials are not for this worker: they were the gateway's own, or it has its own.

    Raises:
        InvalidRequestError: A field is not UTF-8 or holds a control character.
    """
    return _sent_keyless[headers] if keyless else _sent[headers]


def _upstream(passes: Mapping[bytes, bool], headers: RawHeaders) -> RawHeaders:
    kept = tuple([field for field in headers if passes[field[0]]])
    if named := named_by_connection(headers):
        kept = tuple([field for field in kept if field[0].lower() not in named])
    check_carried(kept)
    return kept


def request_head(start: str, host: bytes, headers: RawHeaders, own: RawHeaders, *, length: int | None) -> bytes:
    """Return the head of a request to a worker.

    Args:
        start: Method and path.
        host: What the worker is known by.
        headers: Fields that may come again with other requests.
        own: All other fields.
        length: Bytes of the body; None where there is none.
    """
    end = b"\r\n" if length is None else b"content-length: %d\r\n\r\n" % length
    return b"".join(
        (start.encode(), b" HTTP/1.1\r\nhost: ", host, b"\r\n", known_lines[headers], field_lines(own), end)
    )


def downstream_headers(headers: RawHeaders) -> RawHeaders:
    """Return the fields of a worker's answer that its caller gets: every value, in order, as it came.

    A worker's ``x-request-id`` and, where it is a gateway, its worker's id are not among them, since the gateway
    answers with its own.
    """
    return _answered[headers]


def _downstream(headers: RawHeaders) -> RawHeaders:
    kept = tuple([field for field in headers if _passing_down[field[0]]])
    if named := named_by_connection(headers):
        return tuple([field for field in kept if field[0].lower() not in named])
    return kept


def named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    """Return the fields that the sender of this hop declared to be of this hop, and that are not so anyway."""
    values = [value for name, value in headers if len(name) == _CONNECTION_LENGTH and name.lower() == b"connection"]
    if not values or (len(values) == 1 and values[0] in OPTIONS):
        return NOTHING
    return frozenset(token.strip().lower() for value in values for token in value.split(b",")) - OPTIONS


def _passes(name: bytes) -> bool:
    """Tell whether a field goes to a worker; our own are known with ``_`` for ``-``, too."""
    name = name.lower()
    dropped = name in HOP_BY_HOP or name in MADE_BY_THE_CLIENT
    return not dropped and not name.replace(b"_", b"-").startswith(INTERNAL)


def _passes_keyless(name: bytes) -> bool:
    """Tell whether it goes to one who must not see the caller's credentials."""
    return _passes(name) and name.lower() not in CREDENTIALS


def _passes_down(name: bytes) -> bool:
    """Tell whether a field of an answer goes to its caller."""
    name = name.lower()
    return name not in HOP_BY_HOP and name not in MADE_BY_THE_FRONT


def check_carried(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse fields that not every way to a worker would carry as they are."""
    block = b"".join(chain.from_iterable(fields))
    if block.translate(CARRIED) != block:
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


# What is asked of a head is asked again with every message. Where one says something new each time, its names do not.
_passing: Final = Remembered(_passes, NAMES)
_passing_keyless: Final = Remembered(_passes_keyless, NAMES)
_passing_down: Final = Remembered(_passes_down, NAMES)
_sent: Final = Remembered(partial(_upstream, _passing), HEADS)
_sent_keyless: Final = Remembered(partial(_upstream, _passing_keyless), HEADS)
_answered: Final = Remembered(_downstream, HEADS)
