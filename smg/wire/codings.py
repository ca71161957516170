"""Codings of an answer's body: which it has, and whether its caller asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.core.request import RawHeaders

IDENTITY: Final = b"identity"
ALIASES: Final = {b"x-gzip": b"gzip", b"x-compress": b"compress"}
REFUSED: Final = (b"0", b"0.0", b"0.00", b"0.000")


def codings_of(headers: RawHeaders) -> list[bytes]:
    """Return the codings of a body in the order they were applied; an empty list for a body as it is."""
    named = [ALIASES.get(name, name) for name in _listed(headers, b"content-encoding")]
    return [name for name in named if name != IDENTITY]


def unasked(codings: list[bytes], request: RawHeaders) -> bool:
    """Whether a caller did not name one of ``codings``; who names none wants none."""
    wanted = dict(map(_weighed, _listed(request, b"accept-encoding")))
    return not all(wanted.get(coding, wanted.get(b"*", False)) for coding in codings)


def _weighed(choice: bytes) -> tuple[bytes, bool]:
    """Return a coding and whether it is wanted: ``gzip;q=0`` is not."""
    name, _, weight = choice.partition(b";")
    name = name.strip()
    return ALIASES.get(name, name), weight.replace(b" ", b"").removeprefix(b"q=") not in REFUSED


def _listed(headers: RawHeaders, wanted: bytes) -> Iterator[bytes]:
    """Yield the members of a field that holds a list, in lower case."""
    for name, value in headers:
        if name.lower() == wanted:
            yield from filter(None, (member.strip() for member in value.lower().split(b",")))
