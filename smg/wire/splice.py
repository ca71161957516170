"""One field of a body changed, every other byte left as it came."""

from __future__ import annotations

import msgspec

from smg.wire.fields import locate, read_fields


def set_field(body: bytes, name: str, value: bytes) -> bytes:
    """Return ``body`` with the top-level field ``name`` set to ``value``, a JSON text; appended if absent.

    ``body`` must have passed ``check_json``.

    Raises:
        InvalidJsonError: ``body`` is not one JSON object.
        InvalidRequestError: A top-level name of ``body`` is repeated.
    """
    fields = read_fields(body)
    place = locate(body, fields, (name,)).get(name)
    if place is not None:
        return body[: place.start] + value + body[place.stop :]
    head, _, tail = body.rpartition(b"}")
    comma = b"," if fields else b""
    return head + comma + msgspec.json.encode(name) + b":" + value + b"}" + tail
