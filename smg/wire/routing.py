"""The few fields of a body that the gateway itself acts on; all else stays undecoded bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.caps import NATIVE, check_counts, check_lists, check_native
from smg.wire.fields import read_fields, refuse_repeats
from smg.wire.guard import check_json, steps_of_check
from smg.wire.shapes import RoutingFields

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from smg.wire.caps import Fields
    from smg.wire.shapes import JsonLimits

T = TypeVar("T")

MAX_MODEL_CHARS: Final = 256

COUNTS: Final = {
    Endpoint.CHAT: ("max_tokens", "max_completion_tokens", "n", "top_logprobs"),
    Endpoint.COMPLETIONS: ("max_tokens", "n", "logprobs"),
}
"""Fields that are integers."""

READ: Final[dict[Endpoint, frozenset[str]]] = {
    Endpoint.CHAT: frozenset({"model", "stream", "messages", "tools", "stop", *COUNTS[Endpoint.CHAT]}),
    Endpoint.COMPLETIONS: frozenset({"model", "stream", "stop", *COUNTS[Endpoint.COMPLETIONS]}),
    Endpoint.GENERATE: frozenset({"model", "stream", *NATIVE}),
}
READ_ELSEWHERE: Final = frozenset({"model"})

CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

# Null is like absent.
_string: Final = msgspec.json.Decoder(str | None)
_flag: Final = msgspec.json.Decoder(bool | None)
_integer: Final = msgspec.json.Decoder(int | None)


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
    check_lists(fields, names, most_values, limits)
    check_counts(endpoint, read_counts(fields, COUNTS.get(endpoint, ())), limits)
    if endpoint is Endpoint.GENERATE:
        check_native(fields, limits)
    stream = "stream" in fields and "stream" in names and read_field(fields, "stream", _flag, "true or false")
    return RoutingFields(read_model(fields), stream=bool(stream))


def read_counts(fields: Fields, names: Iterable[str]) -> dict[str, int]:
    """Return the integers among the fields, of these names."""
    counts: dict[str, int] = {}
    for name in names:
        if name in fields and (count := read_field(fields, name, _integer, "an integer")) is not None:
            counts[name] = count
    return counts


def read_model(fields: Fields) -> str | None:
    """Return the model that is asked for; None where the caller named none."""
    model = read_field(fields, "model", _string, "a string") if "model" in fields else None
    return model and check_model(model)


def read_field(fields: Fields, name: str, decoder: msgspec.json.Decoder[T], wanted: str) -> T:
    """Decode one field; the error says what is ``wanted``.

    Raises:
        InvalidRequestError: It has a wrong type; ``param`` names it.
    """
    try:
        return decoder.decode(fields[name])
    except msgspec.ValidationError:
        raise InvalidRequestError(f"{name} must be {wanted}", param=name) from None


def check_model(model: str) -> str:
    """Return the model's name, which may end up in headers, labels and log lines."""
    if len(model) > MAX_MODEL_CHARS or (not model.isprintable() and CONTROL.search(model)):
        raise InvalidRequestError(
            f"model must be at most {MAX_MODEL_CHARS} characters, none of them a control character", param="model"
        )
    return model
