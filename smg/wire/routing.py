"""The few fields of a body that the gateway itself acts on; all else stays undecoded bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.fields import locate, read_fields
from smg.wire.guard import check_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smg.wire.guard import JsonLimits

Fields: TypeAlias = "Mapping[str, msgspec.Raw]"

MAX_MODEL_CHARS = 256
MAX_ANSWERS = 128
MAX_TOKENS = 100_000_000  # far above any model's context; what is larger is a mistake

_text = msgspec.json.Decoder(str | None)
_flag = msgspec.json.Decoder(bool | None)
_whole = msgspec.json.Decoder(int | None)
_entries = msgspec.json.Decoder(list[msgspec.Raw])

LISTS = {"messages": "max_messages", "tools": "max_tools", "stop": "max_stop"}
"""Fields that may hold a list, and the limit of its length."""
ALTERNATIVES = {Endpoint.CHAT: "top_logprobs", Endpoint.COMPLETIONS: "logprobs"}
"""How an endpoint calls the number of alternatives to each token."""

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


@dataclass(frozen=True, slots=True)
class RoutingFields:
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


def read_routing(endpoint: Endpoint, body: bytes, limits: JsonLimits) -> RoutingFields:
    """Read the routing fields of one request; no other field is decoded, though all are checked to be JSON.

    Raises:
        InvalidJsonError: The body exceeds ``limits`` or is not exactly one JSON object.
        InvalidRequestError: A field read here has a wrong type or value, or asks for more than ``limits`` allow
            (``param`` names it), or any top-level name is repeated.
    """
    check_json(body, limits)
    return read_checked(endpoint, body, limits)


def read_checked(endpoint: Endpoint, body: bytes, limits: JsonLimits) -> RoutingFields:
    """Return what ``read_routing`` does, of a body that has passed ``check_json``."""
    fields = read_fields(body)
    names = READ.get(endpoint, READ_ELSEWHERE)
    locate(body, fields, names)
    asked = {name: raw for name, raw in fields.items() if name in names}
    check_lists(asked, body, limits)
    read_count(asked, ALTERNATIVES.get(endpoint, ""), 0, limits.max_top_logprobs)
    return RoutingFields(
        model=read_model(asked),
        stream=bool(read(asked, "stream", _flag, "true or false")),
        max_tokens=read_max_tokens(asked, 0 if endpoint is Endpoint.COMPLETIONS else 1),
        n=read_count(asked, "n", 1, MAX_ANSWERS) or 1,
    )


def check_lists(fields: Fields, body: bytes, limits: JsonLimits) -> None:
    """Refuse a list of more entries than its limit allows; what is no list is for the worker to judge.

    No list can have more entries than the body's commas part: for nearly every body these are few, and nothing is
    counted.
    """
    caps = {name: getattr(limits, limit) for name, limit in LISTS.items() if name in fields}
    longest = body.count(b",") + 1 if caps else 0
    for name, most in caps.items():
        if longest > most and entries(fields[name]) > most:
            raise InvalidRequestError(f"{name} holds more than {most} entries, the gateway's {LISTS[name]}", param=name)


def entries(raw: msgspec.Raw) -> int:
    """Return how many entries a list has, none of them decoded; 0 where it is no list."""
    try:
        return len(_entries.decode(raw))
    except msgspec.MsgspecError:
        return 0


def read(fields: Fields, name: str, decoder: msgspec.json.Decoder[Any], wanted: str) -> Any:
    """Return one field's value, None where it is absent or null."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        raise InvalidRequestError(f"{name} must be {wanted}", param=name) from None


def read_model(fields: Fields) -> str | None:
    """Return the model's name, which may end up in headers, labels and log lines."""
    model: str | None = read(fields, "model", _text, "a string")
    if model is None:
        return None
    if len(model) > MAX_MODEL_CHARS or any(ord(char) < ord(" ") or "\x7f" <= char <= "\x9f" for char in model):
        raise InvalidRequestError(
            f"model must be at most {MAX_MODEL_CHARS} characters, none of them a control character", param="model"
        )
    return model


def read_max_tokens(fields: Fields, least: int) -> int | None:
    """Return the bound on one answer, by whichever name it was given; the newer name wins."""
    older = read_count(fields, "max_tokens", least, MAX_TOKENS)
    newer = read_count(fields, "max_completion_tokens", least, MAX_TOKENS)
    return older if newer is None else newer


def read_count(fields: Fields, name: str, least: int, most: int) -> int | None:
    """Return an integer field, which must lie in ``least`` to ``most``."""
    count: int | None = read(fields, name, _whole, "an integer")
    if count is not None and not least <= count <= most:
        raise InvalidRequestError(f"{name} must be {least} to {most}", param=name)
    return count
