"""How much one request may ask for: tokens, answers, alternatives, and the lengths of its lists.

What is asked for beyond a cap is refused by the field's name before a worker hears of it. ``/generate`` says it inside
``sampling_params``, for all prompts or for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.shapes import MAX_ANSWERS, MAX_TOKENS, Sampling

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from smg.wire.shapes import JsonLimits

Fields: TypeAlias = "dict[str, msgspec.Raw]"

ALTERNATIVES_OF: Final = frozenset({"logprobs", "top_logprobs"})
"""Fields of other endpoints that say how many alternatives of each token are told of."""
LISTS: Final = {"messages": "max_messages", "tools": "max_tools", "stop": "max_stop"}
"""Fields that may hold a list, and the limit of its length."""
SAMPLING, ALTERNATIVES = "sampling_params", "top_logprobs_num"
NATIVE: Final = frozenset({SAMPLING, ALTERNATIVES})
"""Fields of ``/generate`` that say how much is asked for."""


SAMPLING_WANTED: Final = {
    "max_new_tokens": f"an integer of 0 to {MAX_TOKENS}",
    "n": f"an integer of 1 to {MAX_ANSWERS}",
}

_entries: Final = msgspec.json.Decoder(list[msgspec.Raw])
_integers: Final = msgspec.json.Decoder(int | list[int] | None)
_samplings: Final = msgspec.json.Decoder(Sampling | list[Sampling] | None)


def check_counts(endpoint: Endpoint, counts: Mapping[str, int], limits: JsonLimits) -> None:
    """Refuse the first number that is beyond its cap; ``param`` of the InvalidRequestError names it, as of all here."""
    for name, count in counts.items():
        if name in ALTERNATIVES_OF:
            check_count(name, count, 0, limits.max_top_logprobs)
        elif name == "n":
            check_count(name, count, 1, MAX_ANSWERS)
        else:
            check_count(name, count, 0 if endpoint is Endpoint.COMPLETIONS else 1, MAX_TOKENS)


def check_lists(fields: Fields, names: Collection[str], most_values: int, limits: JsonLimits) -> None:
    """Refuse a list of more entries than its limit allows, of those ``names`` that are lists.

    What is no list is for the worker to judge, and none has more entries than the body has values, ``most_values``.
    """
    if most_values <= limits.max_stop and most_values <= limits.max_tools and most_values <= limits.max_messages:
        return
    for name, limit in LISTS.items():
        most: int = getattr(limits, limit)
        if name in fields and name in names and most_values > most:
            check_list(name, fields[name], most, limit)


def check_native(fields: Fields, limits: JsonLimits) -> None:
    """Refuse what a request to ``/generate`` asks for beyond a cap."""
    if SAMPLING in fields:
        check_sampling(fields[SAMPLING], limits)
    if ALTERNATIVES in fields:
        check_alternatives(fields[ALTERNATIVES], limits)


def check_sampling(raw: msgspec.Raw, limits: JsonLimits) -> None:
    """Refuse ``sampling_params``, or a list of such, of which any asks for more than a cap allows."""
    try:
        decoded = _samplings.decode(raw)
    except msgspec.ValidationError as error:  # ends in "- at `$.name`", or in "- at `$[...].name`"
        raise wrong_sampling(str(error).rpartition(".")[2].rstrip("`")) from None
    for sampling in decoded if isinstance(decoded, list) else filter(None, [decoded]):
        if len(sampling.stop) > 2 * limits.max_stop:  # an entry takes two bytes at least
            check_list(f"{SAMPLING}.stop", sampling.stop, limits.max_stop, LISTS["stop"])


def check_alternatives(raw: msgspec.Raw, limits: JsonLimits) -> None:
    """Refuse ``top_logprobs_num``, or a list of such, of which any asks for more than its limit allows."""
    try:
        decoded = _integers.decode(raw)
    except msgspec.ValidationError:
        raise InvalidRequestError(f"{ALTERNATIVES} must be an integer, or a list of them", param=ALTERNATIVES) from None
    asked = decoded if isinstance(decoded, list) else [decoded or 0]
    check_count(ALTERNATIVES, min(asked, default=0), 0, limits.max_top_logprobs)
    check_count(ALTERNATIVES, max(asked, default=0), 0, limits.max_top_logprobs)


def wrong_sampling(name: str) -> InvalidRequestError:
    """Return the error for a field of ``sampling_params``, or for itself where ``name`` is none of its fields."""
    if name in SAMPLING_WANTED:
        return InvalidRequestError(f"{SAMPLING}.{name} must be {SAMPLING_WANTED[name]}", param=f"{SAMPLING}.{name}")
    return InvalidRequestError(f"{SAMPLING} must be an object, or a list of objects", param=SAMPLING)


def check_list(name: str, raw: msgspec.Raw, most: int, limit: str) -> None:
    """Refuse a list of more than ``most`` entries, none of which is decoded."""
    try:
        entries = len(_entries.decode(raw))
    except msgspec.MsgspecError:
        return
    if entries > most:
        raise InvalidRequestError(f"{name} holds more than {most} entries, the gateway's {limit}", param=name)


def check_count(name: str, count: int, least: int, most: int) -> None:
    """Refuse an integer that does not lie in ``least`` to ``most``."""
    if not least <= count <= most:
        raise InvalidRequestError(f"{name} must be {least} to {most}", param=name)
