"""The few fields of a body that the gateway itself acts on; all else stays undecoded bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.caps import LISTS, NATIVE, check_counts, check_lists, check_native
from smg.wire.fields import read_fields, refuse_repeats
from smg.wire.guard import check_json, steps_of_check
from smg.wire.shapes import RoutingFields, Scalars

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from smg.wire.caps import Fields
    from smg.wire.shapes import JsonLimits

MAX_MODEL_CHARS: Final = 256

WANTED: Final = {"model": "a string", "stream": "true or false"}
"""What a field must be, where it is no integer."""

READ: Final[Mapping[Endpoint, frozenset[str]]] = {
    Endpoint.CHAT: frozenset(
        {
            *("model", "stream", "max_tokens", "max_completion_tokens", "n"),
            *("messages", "tools", "stop", "top_logprobs"),
        }
    ),
    Endpoint.COMPLETIONS: frozenset({"model", "stream", "max_tokens", "n", "stop", "logprobs"}),
    Endpoint.GENERATE: frozenset({"model", "stream", *NATIVE}),
}
READ_ELSEWHERE: Final = frozenset({"model"})
_SCALARS: Final = {names: tuple(names - frozenset(LISTS) - NATIVE) for names in (*READ.values(), READ_ELSEWHERE)}

CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


_encoder: Final = msgspec.json.Encoder()
_asked: Final = msgspec.json.Decoder(Scalars)


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
    check_lists(fields, names, most_values, limits)
    check_counts(endpoint, asked, limits)
    if endpoint is Endpoint.GENERATE:
        check_native(fields, limits)
    return RoutingFields(model=asked.model and check_model(asked.model), stream=bool(asked.stream))


def read_scalars(fields: Fields, names: Iterable[str]) -> Scalars:
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


def check_model(model: str) -> str:
    """Return the model's name, which may end up in headers, labels and log lines."""
    if len(model) > MAX_MODEL_CHARS or (not model.isprintable() and CONTROL.search(model)):
        raise InvalidRequestError(
            f"model must be at most {MAX_MODEL_CHARS} characters, none of them a control character", param="model"
        )
    return model
