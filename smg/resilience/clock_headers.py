"""A caller's own wish for the clocks, by header: ``x-smg-timeout-first-token: 2.5`` and its four sisters.

A wish within the operator's bounds is followed; beyond them the bound holds. What is no time at all is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.remembered import Remembered
from smg.core.request import HEADS, RawHeaders
from smg.resilience.clocks import ClockKind

if TYPE_CHECKING:
    from smg.resilience.settings import ClockSettings

PREFIX: Final = b"x-smg-timeout-"
_FIELDS: Final = {PREFIX + kind.value.replace("_", "-").encode(): f"{kind.value}_secs" for kind in ClockKind}
_SECONDS: Final = re.compile(rb"[0-9]{1,9}(\.[0-9]{1,9})?")


def with_overrides(settings: ClockSettings, headers: RawHeaders) -> ClockSettings:
    """Return ``settings`` as the caller wants them, within the operator's bounds; the same object if it wants nothing.

    Raises:
        InvalidRequestError: A field names no clock, comes twice, or is not a number of seconds above 0.
    """
    if not (wishes := _known_wishes[headers]):
        return settings
    return msgspec.structs.replace(settings, **{field: _clamped(settings, field, secs) for field, secs in wishes})


def _wishes(headers: RawHeaders) -> tuple[tuple[str, float], ...]:
    """Return what is wished for: clocks and seconds."""
    wishes: dict[str, float] = {}
    for raw, value in headers:
        name = raw.lower()
        if name.startswith(PREFIX):
            field = _FIELDS.get(name)
            if field is None or field in wishes:
                raise _refusal(name, "comes twice" if field else "names no clock")
            wishes[field] = _seconds(name, value)
    return tuple(wishes.items())


_known_wishes: Final = Remembered(_wishes, HEADS)


def _seconds(name: bytes, value: bytes) -> float:
    secs = float(value) if _SECONDS.fullmatch(value.strip()) else 0.0
    if secs == 0:
        raise _refusal(name, "must be a number of seconds above 0")
    return secs


def _clamped(settings: ClockSettings, field: str, wish: float) -> float:
    own: float = getattr(settings, field)
    shortest = min(own, settings.override_floor_secs)
    longest = max(own, settings.override_ceiling_secs)
    return min(max(wish, shortest), longest)


def _refusal(name: bytes, reason: str) -> InvalidRequestError:
    shown = name.decode() if name in _FIELDS else PREFIX.decode() + "*"  # what a caller made up is not echoed
    return InvalidRequestError(f"the header {shown} {reason}", param=shown)
