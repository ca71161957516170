"""Bodies decoded into types, with errors that name the field in the caller's words and nothing else of the body."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, ClassVar, TypeVar

import msgspec

from smg.core.errors import InvalidJsonError, InvalidRequestError, UnsupportedFieldError
from smg.wire.guard import NOT_ONE_OBJECT

HARMLESS = frozenset({b"null", b"false", b"[]", b"{}", b'""'})
"""Values that ask for nothing, so that a field we cannot serve may carry them."""

ABSENT = msgspec.Raw(b"null")
"""Stands in a body for a refused field that nobody gave."""

_where = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_types = re.compile(r"^Expected `([\w| -]+)`, got `([\w| -]+)`")
_missing = re.compile(r"^Object missing required field `(\w+)`")


class Body(msgspec.Struct, kw_only=True):
    """A request's body; fields that are not named are ignored, as engines do.

    Attributes:
        refused: Fields that would change the answer, but that no gRPC engine can be asked for.
    """

    refused: ClassVar[frozenset[str]] = frozenset()

    def check(self) -> None:
        """Raise InvalidRequestError or UnsupportedFieldError for values that cannot be served."""


B = TypeVar("B", bound=Body)


def decode_body(kind: type[B], body: bytes) -> B:
    """Return ``body``, which ``read_fields`` has taken for JSON, as a ``kind`` whose values are checked.

    Raises:
        InvalidJsonError: It is not one JSON object.
        InvalidRequestError: A field is missing, of a wrong type or out of range; ``param`` is its dotted path.
        UnsupportedFieldError: A field asks for what no engine behind gRPC can do.
    """
    try:
        decoded: B = decoder_of(kind).decode(body)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidJsonError(NOT_ONE_OBJECT) from None
    refuse_fields(decoded)
    decoded.check()
    return decoded


@cache
def decoder_of(kind: type[Body]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of one kind of body and the fields it refuses, in one pass: bodies may be megabytes."""
    refused = [(name, msgspec.Raw, ABSENT) for name in sorted(kind.refused)]
    return msgspec.json.Decoder(msgspec.defstruct(kind.__name__, refused, bases=(kind,), kw_only=True))


def refuse_fields(decoded: Body) -> None:
    """Refuse fields of ``refused`` that are given a value which asks for something; the first by name is told."""
    given = [name for name in decoded.refused if getattr(decoded, name) is not ABSENT]
    asking = [name for name in given if bytes(getattr(decoded, name)) not in HARMLESS]
    if asking:
        raise unsupported(min(asking))


def unsupported(param: str) -> UnsupportedFieldError:
    """Return the error for a field that no gRPC engine can be asked for."""
    return UnsupportedFieldError(f"{param} is not supported for this model", param=param)


def invalid(text: str) -> InvalidRequestError | InvalidJsonError:
    """Return the error for msgspec's message, of which only paths and type names are taken."""
    missing, place, types = _missing.match(text), _where.search(text), _types.match(text)
    parts = re.findall(r"\w+", place[1]) if place else []
    if missing:
        parts.append(missing[1])
    param = ".".join(parts)
    if missing:
        return InvalidRequestError(f"{param} is required", param=param)
    if not param:
        return InvalidJsonError(NOT_ONE_OBJECT)
    fault = f"must be {types[1]}, not {types[2]}" if types else "has a value that cannot be used"
    return InvalidRequestError(f"{param} {fault}", param=param)
