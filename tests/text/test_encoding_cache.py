"""The memory of encoded texts."""

from __future__ import annotations

from smg.text.encoding_cache import ENTRY_BYTES, SHARE_AT_MOST, EncodingCache, Key


def key(text: str, *, fingerprint: str = "f", special: bool = False) -> Key:
    return (fingerprint, special, text)


def test_ids_come_back_in_a_list_of_the_callers_own() -> None:
    """What a caller does to the list does not reach the memory."""
    cache = EncodingCache(10_000)
    cache.keep(key("a"), [1, 2])
    found = cache.find(key("a"))
    assert found == [1, 2]
    found.append(3)

    assert cache.find(key("a")) == [1, 2]


def test_tokenizer_and_special_tokens_are_part_of_the_key() -> None:
    """The same text has other ids under another tokenizer or with special tokens."""
    cache = EncodingCache(10_000)
    cache.keep(key("a"), [1])

    assert cache.find(key("a", fingerprint="g")) is None
    assert cache.find(key("a", special=True)) is None


def test_least_recently_used_is_forgotten_first() -> None:
    """The bytes in use never exceed the limit."""
    room = SHARE_AT_MOST
    cache = EncodingCache(room * (ENTRY_BYTES + 8))
    for number in range(room):
        cache.keep(key(chr(65 + number)), [number])
    assert cache.find(key("A")) == [0]
    cache.keep(key("z"), [99])

    assert cache.find(key("B")) is None
    assert [cache.find(key(text)) for text in "ACz"] == [[0], [2], [99]]
    assert cache.used_bytes == room * (ENTRY_BYTES + 8)


def test_one_large_text_does_not_put_out_many_small_ones() -> None:
    """What would take more than its share is not kept."""
    cache = EncodingCache(SHARE_AT_MOST * 1_000)
    cache.keep(key("a"), [1])
    cache.keep(key("b"), [2] * 200)

    assert [cache.find(key(text)) for text in "ab"] == [[1], None]


def test_keeping_twice_counts_once() -> None:
    """Two requests may encode the same text at the same time."""
    cache = EncodingCache(10_000)
    cache.keep(key("a"), [1])
    cache.keep(key("a"), [1])

    assert (len(cache), cache.used_bytes) == (1, ENTRY_BYTES + 8)


def test_no_memory_keeps_nothing() -> None:
    """A limit of 0 switches it off, and an entry above the limit drives nothing out."""
    cache = EncodingCache(0)
    cache.keep(key("a"), [1])

    assert (len(cache), cache.used_bytes) == (0, 0)
