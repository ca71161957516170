"""Ids of texts and of their pieces met before, the least recently used forgotten first."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Key: TypeAlias = tuple[str, bool, str]
"""Fingerprint of the tokenizer, whether special tokens are added, text."""

ENTRY_BYTES = 400
"""What Python takes for a key, an array and their place in the table, roughly."""

ID_BYTES = 4

SHARE_AT_MOST = 16
"""One entry may take a sixteenth of all: a larger one would put out many, and take long to be copied each time."""


class EncodingCache:
    """Keeps texts and their ids within a number of bytes.

    Attributes:
        used_bytes: Memory taken now, by estimate.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.used_bytes = 0
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[Key, array[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Key) -> list[int] | None:
        """Return the ids kept under ``key`` in a new list, or None."""
        ids = self._entries.get(key)
        if ids is None:
            return None
        self._entries.move_to_end(key)
        return ids.tolist()

    def keep(self, key: Key, ids: Sequence[int]) -> None:
        """Remember ``ids``, forgetting what was used least recently; too large an entry is not kept."""
        size = _size(key, ids)
        if SHARE_AT_MOST * size > self._limit_bytes or key in self._entries:
            return
        self._entries[key] = array("I", ids)
        self.used_bytes += size
        while self.used_bytes > self._limit_bytes:
            self.used_bytes -= _size(*self._entries.popitem(last=False))


def _size(key: Key, ids: Sequence[int]) -> int:
    # four bytes per character is the most Python takes
    return ENTRY_BYTES + 4 * len(key[2]) + ID_BYTES * len(ids)
