"""The few fields of a body that the gateway itself acts on; all else stays undecoded bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.fields import read_fields, refuse_repeats
from smg.wire.guard import check_json, steps_of_check

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from smg.wire.guard import JsonLimits

Fields: TypeAlias = "Mapping[str, msgspec.Raw]"

MAX_MODEL_CHARS = 256
MAX_ANSWERS = 128
MAX_TOKENS = 100_000_000  # far above any model's context; what is larger is a mistake

LISTS = {"messages": "max_messages", "tools": "max_tools", "stop": "max_stop"}
"""Fields that may hold a list, and the limit of its length."""
WANTED = {"model": "a string", "stream": "true or false"}
"""What a field must be, where it is no integer."""

READ: Mapping[Endpoint, frozenset[str]] = {
    Endpoint.CHAT: frozenset(
        {
            *("model", "stream", "max_tokens", "max_completion_tokens", "n"),
            *("messages", "tools", "stop", "top_logprobs"),
        }
    ),
    Endpoint.COMPLETIONS: frozenset({"model", "stream", "max_tokens", "n", "stop", "logprobs"}),
    Endpoint.GENERATE: frozenset({"model", "stream"}),
}
READ_ELSEWHERE = frozenset({"model"})
_SCALARS = {names: tuple(names - LISTS.keys()) for names in (*READ.values(), READ_ELSEWHERE)}

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class RoutingFields(msgspec.Struct, frozen=True):
    """What a request says about where it goes and how much it asks for.

    Attributes:
        model: None where the caller named none.
        max_tokens: Tokens of one answer at most; None where the caller set no bound at the top level.
        n: Answers per prompt, 1 to 128.
    """

    model: str | None
    stream: bool = False
    max_tokens: int | None = None
    n: int = 1


class _Asked(msgspec.Struct):
    """The fields that are no lists, by the names that callers use; null is like absent."""

    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: int | None = None
    top_logprobs: int | None = None


_encoder = msgspec.json.Encoder()
_asked = msgspec.json.Decoder(_Asked)
_entries = msgspec.json.Decoder(list[msgspec.Raw])


def read_routing(endpoint: Endpoint, body: bytes, limits: JsonLimits) -> RoutingFields:
    """Read the routing fields of one request; no other field is decoded, though all are checked to be JSON.

    Raises:
        InvalidJsonError: The body exceeds ``limits`` or is not exactly one JSON object.
        InvalidRequestError: A field read here has a wrong type or value, or asks for more than ``limits`` allow
            (``param`` names it), or any top-level name is repeated.
    """
    most_values = check_json(body, limits)
    return read_checked(endpoint, body, limits, most_values)


def steps_of_routing(endpoint: Endpoint, body: bytes, limits: JsonLimits) -> Generator[None, None, RoutingFields]:
    """Do what ``read_routing`` does, a part with each step, so that others may have their turn in between."""
    most_values = yield from steps_of_check(body, limits)
    yield
    return read_checked(endpoint, body, limits, most_values)


def read_checked(endpoint: Endpoint, body: bytes, limits: JsonLimits, most_values: int) -> RoutingFields:
    """Read a body that has passed the guard, and has ``most_values`` values and keys at most."""
    fields = read_fields(body)
    names = READ.get(endpoint, READ_ELSEWHERE)
    refuse_repeats(body, fields, names)
    asked = read_scalars(fields, _SCALARS[names])
    if most_values > min(limits.max_messages, limits.max_tools, limits.max_stop):  # no list has more entries than that
        check_lists({name: raw for name, raw in fields.items() if name in names and name in LISTS}, most_values, limits)
    check_count("top_logprobs", asked.top_logprobs, 0, limits.max_top_logprobs)
    check_count("logprobs", asked.logprobs, 0, limits.max_top_logprobs)
    return RoutingFields(
        model=asked.model and check_model(asked.model),
        stream=bool(asked.stream),
        max_tokens=check_max_tokens(asked, 0 if endpoint is Endpoint.COMPLETIONS else 1),
        n=check_count("n", asked.n, 1, MAX_ANSWERS) or 1,
    )


def read_scalars(fields: Fields, names: Iterable[str]) -> _Asked:
    """Decode the fields of these names, put together to an object of their own.

    Raises:
        InvalidRequestError: One has a wrong type; ``param`` names it.
    """
    asked = {name: fields[name] for name in names if name in fields}
    try:
        return _asked.decode(_encoder.encode(asked))
    except msgspec.ValidationError as error:  # ends in "- at `$.name`"
        name = str(error).rpartition("$.")[2].rstrip("`")
        raise InvalidRequestError(f"{name} must be {WANTED.get(name, 'an integer')}", param=name) from None


def check_lists(fields: Fields, most_values: int, limits: JsonLimits) -> None:
    """Refuse a list of more entries than its limit allows; what is no list is for the worker to judge."""
    for name, raw in fields.items():
        most: int = getattr(limits, LISTS[name])
        if most_values > most and entries(raw) > most:
            raise InvalidRequestError(f"{name} holds more than {most} entries, the gateway's {LISTS[name]}", param=name)


def entries(raw: msgspec.Raw) -> int:
    """Return how many entries a list has, none of them decoded; 0 where it is no list."""
    try:
        return len(_entries.decode(raw))
    except msgspec.MsgspecError:
        return 0


def check_model(model: str) -> str:
    """Return the model's name, which may end up in headers, labels and log lines."""
    if len(model) > MAX_MODEL_CHARS or (not model.isprintable() and CONTROL.search(model)):
        raise InvalidRequestError(
            f"model must be at most {MAX_MODEL_CHARS} characters, none of them a control character", param="model"
        )
    return model


def check_max_tokens(asked: _Asked, least: int) -> int | None:
    """Return the bound on one answer, by whichever name it was given; the newer name wins."""
    older = check_count("max_tokens", asked.max_tokens, least, MAX_TOKENS)
    newer = check_count("max_completion_tokens", asked.max_completion_tokens, least, MAX_TOKENS)
    return older if newer is None else newer


def check_count(name: str, count: int | None, least: int, most: int) -> int | None:
    """Return an integer, which must lie in ``least`` to ``most``."""
    if count is not None and not least <= count <= most:
        raise InvalidRequestError(f"{name} must be {least} to {most}", param=name)
    return count
