"""Inputs bent at random, one from another: what is used where no coverage guides, and always the same for a seed."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.target import Target

KEPT = 256
FROM_SEEDS = 0.7
LONGEST = 4096
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x0D, 0x20)


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """Yield inputs without end: the seeds first, then what becomes of them."""
    rng = random.Random(seed)
    bent_before = deque(target.seeds, maxlen=KEPT)
    yield from target.seeds
    while True:
        data = rng.choice(target.seeds if rng.random() < FROM_SEEDS else bent_before)
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            data = bent(rng, data, rng.choice(target.seeds), target.words)[:LONGEST]
        bent_before.append(data)
        yield data


def bent(rng: random.Random, data: bytes, other: bytes, words: tuple[bytes, ...]) -> bytes:
    """Change some bytes: lose, double, replace or insert some, or go on as another input does."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((1, 1, 1, 2, 4, 16, 64)))
    ways = (
        lambda: data[:start] + data[end:],
        lambda: data[:end] + data[start:],
        lambda: data[:start] + rng.choice(words) + data[end:],
        lambda: data[:start] + rng.choice(words) + data[start:],
        lambda: data[:start] + bytes([rng.choice(EDGES)]) + data[start + 1 :],
        lambda: data[:start] + rng.randbytes(end - start) + data[end:],
        lambda: data[:start] + other[rng.randrange(len(other) + 1) :],
    )
    return rng.choice(ways)()
