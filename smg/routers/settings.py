"""What routers let through."""

from __future__ import annotations

from typing import Annotated

import msgspec


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a relayed stream.

    Attributes:
        max_event_bytes: Size of one server-sent event of a worker, in bytes; a larger one breaks the stream off.
    """

    max_event_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 4 * 1024 * 1024
