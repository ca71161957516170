"""What can be tried on any bytes, and how one input says more than its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CUTS = 3
PREFIX_BYTES = 1 + CUTS


@dataclass(frozen=True)
class Target:
    """One reader under trial.

    Attributes:
        seeds: Inputs to begin with: what is usual, and what once failed.
        words: Pieces that inputs are worth having in them.
        run: Tries one input; whatever it raises is a failure.
        runs: How often the short form tries it, which takes about 2 s.
    """

    name: str
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    run: Callable[[bytes], None]
    runs: int


@dataclass(frozen=True)
class Cut:
    """An input whose first bytes say how the others are cut.

    Attributes:
        flags: One byte, for the target to use.
        pieces: The rest of the input, none of them empty.
    """

    flags: int
    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, data: bytes) -> Cut:
        """Read an input; one that is too short has no pieces."""
        flags, places, rest = data[:1], data[1:PREFIX_BYTES], data[PREFIX_BYTES:]
        if places == bytes(CUTS):  # the finest cut of all
            return cls(sum(flags), tuple(rest[at : at + 1] for at in range(len(rest))))
        spots = sorted(len(rest) * place // 255 for place in places)
        pieces = (rest[start:end] for start, end in zip([0, *spots], [*spots, len(rest)], strict=True))
        return cls(sum(flags), tuple(piece for piece in pieces if piece))

    @property
    def whole(self) -> bytes:
        """The pieces in one."""
        return b"".join(self.pieces)


def seed(payload: bytes, flags: int = 0, places: bytes = b"\xff\x80\x20") -> bytes:
    """Return the input that says ``payload``."""
    return bytes([flags]) + places + payload
