"""The paged KV cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from smg.sim.kv_cache import KvCache, block_hashes
from smg.sim.kv_events import Cleared, KvEvent, Removed, Stored

if TYPE_CHECKING:
    from smg.sim.kv_cache import Hold

PROMPT = list(range(40))


def kept(cache: KvCache) -> list[KvEvent]:
    """Return the events so far."""
    return [event for _, event in cache.events._kept]


def test_second_request_reuses_the_prefix() -> None:
    """Full blocks of a former prompt and answer are hits; the last token is always computed anew."""
    cache = KvCache(1024, 16)
    first = cache.hold(PROMPT, 10)
    assert first is not None
    cache.release(first, [*PROMPT, *range(100, 110)])

    assert first.cached_tokens == 0
    second = cache.hold(PROMPT, 10)
    third = cache.hold(PROMPT[:32], 1)
    assert second is not None
    assert third is not None
    assert (second.cached_tokens, third.cached_tokens) == (32, 16)


def test_full_cache_lets_a_request_wait() -> None:
    """Without room nothing is held, and what is too large for the whole cache never fits."""
    cache = KvCache(64, 16)
    first = cache.hold(PROMPT, 20)
    assert first is not None

    assert cache.hold(list(range(200, 240)), 20) is None
    assert not cache.fits(65)
    cache.release(first, PROMPT)
    assert cache.hold(list(range(200, 240)), 20) is not None


def test_longest_unused_block_goes_first() -> None:
    """Room is made by the oldest unused blocks, deepest of a chain first, and told as an event."""
    cache = KvCache(64, 16)
    for start in (0, 100):
        held = cache.hold(list(range(start, start + 32)), 0)
        assert held is not None
        cache.release(held, list(range(start, start + 32)))

    assert cache.hold(list(range(200, 216)), 0) is not None
    assert kept(cache)[-1] == Removed((block_hashes(range(32), 16)[1],))


def test_clearing_keeps_what_is_held() -> None:
    """A flush forgets unused blocks only."""
    cache = KvCache(1024, 16)
    held = cache.hold(PROMPT, 0)
    assert held is not None

    cache.clear()

    assert cache.used_tokens == 48
    assert isinstance(kept(cache)[-1], Cleared)
    cache.release(held, PROMPT)
    assert (cache.used_tokens, cache.kept_blocks) == (0, 2)


class CacheMachine(RuleBasedStateMachine):
    """Requests come and go in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = KvCache(16 * 12, 16)
        self.held: list[tuple[Hold, list[int]]] = []

    @rule(family=st.integers(0, 3), length=st.integers(1, 90), more=st.integers(0, 40))
    def come(self, family: int, length: int, more: int) -> None:
        """Ask for room."""
        prompt = list(range(family * 1000, family * 1000 + length))
        if (held := self.cache.hold(prompt, more)) is not None:
            self.held.append((held, [*prompt, *range(more)]))

    @rule(which=st.integers(0, 20))
    def go(self, which: int) -> None:
        """Give room back."""
        if self.held:
            self.cache.release(*self.held.pop(which % len(self.held)))

    @invariant()
    def never_over_capacity(self) -> None:
        """Held and kept blocks together never exceed the capacity, and nothing is held for nobody."""
        assert self.cache.used_tokens // 16 + self.cache.kept_blocks <= self.cache.capacity
        assert self.held or self.cache.used_tokens == 0

    @invariant()
    def events_tell_the_content(self) -> None:
        """Who follows the events knows exactly the blocks that are there."""
        known: set[int] = set()
        for event in kept(self.cache):
            match event:
                case Stored(_, blocks):
                    known |= {one for one, _ in blocks}
                case Removed(hashes):
                    known -= set(hashes)
                case Cleared():
                    known.clear()
        assert known == set(self.cache._holders) | set(self.cache._unused)


CacheMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestCache = CacheMachine.TestCase
