"""Answers made from the prompt: the same prompt and seed give the same tokens, over HTTP and over gRPC.

An answer is an opening word, then words of the list mixed with words of the prompt, 20 to 80 tokens in
all unless the request says otherwise, then the end of turn.
"""

from __future__ import annotations

import hashlib
import random
import re
from array import array
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from smg.sim import vocabulary
from smg.sim.asks import Answer, Ask, RefusedError
from smg.sim.grammar import constrained
from smg.sim.words import OPENERS, SPLIT, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

NATURAL_TOKENS = (20, 80)
ECHO_WINDOW_TOKENS = 96
"""How far back in the prompt the words to echo are looked for."""

MAX_MISSES = 10_000
"""Words in a row with a banned token, after which the request is refused."""

ROLES = frozenset({"user", "assistant", "system", "tool"})


def answer(ask: Ask, index: int, context_length: int) -> Answer:
    """Return the whole of choice ``index``; raises RefusedError for a grammar that is not served."""
    draw = random.Random(fingerprint(ask.prompt_ids, ask.seed, index))
    limit = min(context_length - len(ask.prompt_ids), ask.max_tokens if ask.max_tokens is not None else context_length)
    wanted = max(draw.randint(*NATURAL_TOKENS), ask.min_tokens)
    token_ids = _token_ids(ask, draw, wanted, limit)
    return _ended(ask, token_ids, limit)


def fingerprint(token_ids: tuple[int, ...], seed: int | None = None, index: int = 0) -> int:
    """Return 64 bits made of the tokens and numbers, the same in every process."""
    digest = hashlib.blake2b(array("I", token_ids).tobytes(), digest_size=8)
    digest.update(f"{seed}/{index}".encode())
    return int.from_bytes(digest.digest(), "big")


@cache
def _spelt(word: str) -> tuple[int, ...]:
    return tuple(vocabulary.encode(word))


def _token_ids(ask: Ask, draw: random.Random, wanted: int, limit: int) -> list[int]:
    """Return the tokens up to the model's own end, with it, or enough of them to be cut at the limit."""
    if ask.constraint is not None:
        return [*_spelt(constrained(*ask.constraint, draw.choice(WHOLE))), vocabulary.END_OF_TURN_ID]
    end = vocabulary.END_OF_TURN_ID
    endless = end in ask.banned or (ask.ignore_eos and end not in ask.stop_token_ids)
    target = min(limit, wanted) if not endless else (limit if ask.max_tokens is not None else wanted)
    token_ids: list[int] = []
    words = _words(ask, draw)
    while len(token_ids) < target:
        token_ids += next(words)
    return token_ids if endless else [*token_ids, vocabulary.END_OF_TURN_ID]


def _words(ask: Ask, draw: random.Random) -> Iterator[tuple[int, ...]]:
    """Yield words without end; none holds a banned token."""
    echoed = _echo(ask.prompt_ids)
    spelt = _spelt(draw.choice(OPENERS))
    misses = 0
    while misses < MAX_MISSES:
        if ask.banned.isdisjoint(spelt):
            yield spelt
            misses = 0
        misses += 1
        spelt = _spelt(" " + _word(draw, echoed))
    raise RefusedError("logit_bias leaves no token to draw")


def _word(draw: random.Random, echoed: list[str]) -> str:
    chance = draw.random()
    if echoed and chance < 0.25:  # noqa: PLR2004 - a quarter of the words is the prompt's
        return draw.choice(echoed)
    return draw.choice(SPLIT if chance > 0.9 else WHOLE)  # noqa: PLR2004 - a tenth is split


def _echo(prompt_ids: tuple[int, ...]) -> list[str]:
    tail = vocabulary.decode(prompt_ids[-ECHO_WINDOW_TOKENS:])
    return [word for word in re.findall(r"\w{2,16}", tail) if word not in ROLES][-12:]


def _ended(ask: Ask, token_ids: list[int], limit: int) -> Answer:
    """Cut at the first stop token, stop string or the limit, whichever comes first."""
    text_end, stop = _stop_string(ask, token_ids)
    stopped = _stop_token(ask, token_ids)
    end = min(limit, text_end, stopped)
    kept = tuple(token_ids[:end])
    if end == text_end and stop is not None:
        text = vocabulary.decode(kept)
        return Answer(token_ids=kept, finish="stop", matched=stop, text=text[: text.find(stop)])
    if end == stopped and stopped <= len(token_ids):
        last = kept[-1]
        own_end = last == vocabulary.END_OF_TURN_ID and not ask.ignore_eos
        return Answer(token_ids=kept, finish="stop", matched=None if own_end else last, text=_shown(kept))
    return Answer(token_ids=kept, finish="length", matched=None, text=vocabulary.decode(kept))


def _shown(token_ids: tuple[int, ...]) -> str:
    """Return the text before the token that ended it."""
    return vocabulary.decode(token_ids[:-1])


def _stop_token(ask: Ask, token_ids: list[int]) -> int:
    """Return how many tokens there are up to and with the first that ends the answer; beyond the end if none."""
    ends = ask.stop_token_ids if ask.ignore_eos else ask.stop_token_ids | {vocabulary.END_OF_TURN_ID}
    start = max(0, ask.min_tokens - 1)
    return next((at + 1 for at in range(start, len(token_ids)) if token_ids[at] in ends), len(token_ids) + 1)


def _stop_string(ask: Ask, token_ids: list[int]) -> tuple[int, str | None]:
    """Return how many tokens complete the first stop string, and which it is."""
    text = vocabulary.decode(token_ids)
    before = len(vocabulary.decode(token_ids[: ask.min_tokens]).rstrip("\ufffd"))
    found = [(at, stop) for stop in ask.stop if stop and (at := text.find(stop, max(0, before - len(stop) + 1))) >= 0]
    if not found:
        return len(token_ids) + 1, None
    at, stop = min(found, key=lambda hit: hit[0] + len(hit[1]))
    whole = text[: at + len(stop)]
    end = bisect_left(range(len(token_ids)), 1, key=lambda k: vocabulary.decode(token_ids[:k]).startswith(whole))
    return end, stop
