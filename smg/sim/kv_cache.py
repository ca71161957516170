"""A paged KV cache with prefix reuse: full blocks are shared by their hash, unused ones are kept until needed.

A request holds the blocks of its prompt (shared) and room for its whole answer (its own). When it ends, the
full blocks of prompt and answer stay as reusable prefix, the rest is free. Eviction takes the unused block
that was used longest ago, never one that a request holds.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smg.sim.kv_events import Cleared, KvEventLog, Removed, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence


def block_hashes(token_ids: Sequence[int], block_tokens: int) -> list[int]:
    """Return one signed 64-bit hash per full block, each covering all tokens before it."""
    parent, hashes = b"", []
    for start in range(0, len(token_ids) - block_tokens + 1, block_tokens):
        parent = hashlib.blake2b(
            parent + array("I", token_ids[start : start + block_tokens]).tobytes(), digest_size=8
        ).digest()
        hashes.append(int.from_bytes(parent, "big", signed=True))
    return hashes


@dataclass(slots=True)
class Hold:
    """What one request holds: shared blocks by hash, and a number of its own."""

    shared: list[int]
    own: int
    cached_tokens: int


class KvCache:
    """The blocks of one engine."""

    def __init__(self, kv_tokens: int, block_tokens: int) -> None:
        self.capacity = kv_tokens // block_tokens
        self.events = KvEventLog()
        self._block_tokens = block_tokens
        self._holders: dict[int, int] = {}
        self._unused: OrderedDict[int, None] = OrderedDict()
        self._own = 0
        self.hit_tokens = 0
        self.asked_tokens = 0

    @property
    def used_tokens(self) -> int:
        """Tokens of the blocks that requests hold."""
        return (len(self._holders) + self._own) * self._block_tokens

    @property
    def kept_blocks(self) -> int:
        """Blocks that nobody holds but that may be reused."""
        return len(self._unused)

    def fits(self, tokens: int) -> bool:
        """Tell whether an empty cache could hold a request of so many tokens, answer included."""
        return -(-tokens // self._block_tokens) <= self.capacity

    def hold(self, prompt_ids: Sequence[int], answer_tokens: int) -> Hold | None:
        """Take the blocks of a request, or None while there is no room."""
        hashes = block_hashes(prompt_ids, self._block_tokens)
        hits = self._hits(hashes, len(prompt_ids))
        total = -(-(len(prompt_ids) + answer_tokens) // self._block_tokens)
        known = sum(one in self._holders for one in hashes)
        if total - known > self.capacity - len(self._holders) - self._own:
            return None
        self.hit_tokens += hits * self._block_tokens
        self.asked_tokens += len(prompt_ids)
        held = Hold(hashes, total - len(hashes), hits * self._block_tokens)
        self._own += held.own
        self._take(hashes, prompt_ids)
        self._evict()
        return held

    def _hits(self, hashes: list[int], prompt_tokens: int) -> int:
        """Count the leading blocks that are there; the last token is always computed anew."""
        usable = hashes[: max(0, prompt_tokens - 1) // self._block_tokens]
        misses = (at for at, one in enumerate(usable) if one not in self._holders and one not in self._unused)
        return next(misses, len(usable))

    def _take(self, hashes: list[int], token_ids: Sequence[int]) -> None:
        fresh = [at for at, one in enumerate(hashes) if one not in self._holders and one not in self._unused]
        for one in hashes:
            self._unused.pop(one, None)
            self._holders[one] = self._holders.get(one, 0) + 1
        if fresh:
            self._tell_stored(hashes, fresh[0], token_ids)

    def _tell_stored(self, hashes: list[int], start: int, token_ids: Sequence[int]) -> None:
        size = self._block_tokens
        blocks = tuple((hashes[at], tuple(token_ids[at * size : (at + 1) * size])) for at in range(start, len(hashes)))
        self.events.append(Stored(hashes[start - 1] if start else None, blocks))

    def _evict(self) -> None:
        room = self.capacity - len(self._holders) - self._own
        gone: list[int] = []
        while len(self._unused) > max(0, room):
            gone.append(self._unused.popitem(last=False)[0])
        if gone:
            self.events.append(Removed(tuple(gone)))

    def release(self, held: Hold, token_ids: Sequence[int]) -> None:
        """Give a request's blocks back; the full blocks of ``token_ids`` (prompt and answer) stay reusable."""
        self._own -= held.own
        hashes = block_hashes(token_ids, self._block_tokens)
        self._take(hashes, token_ids)
        for one in (*held.shared, *hashes):
            self._drop(one)
        # the deepest block of a chain goes first, so that what stays is a usable prefix
        for one in reversed(hashes):
            if one in self._unused:
                self._unused.move_to_end(one)
        self._evict()

    def _drop(self, one: int) -> None:
        self._holders[one] -= 1
        if self._holders[one] == 0:
            del self._holders[one]
            self._unused[one] = None

    def clear(self) -> None:
        """Forget every block that nobody holds."""
        self._unused.clear()
        self.events.append(Cleared())
