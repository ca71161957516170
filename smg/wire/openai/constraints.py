"""The one grammar an answer must follow, out of the many ways to ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from smg.core.errors import InvalidRequestError
from smg.core.generation import Constraint, ConstraintKind
from smg.wire.openai.ranges import MAX_LIST, bad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smg.wire.openai.sampling_fields import (
        RequestSampling,
        ResponseFormat,
        SamplingFields,
        StructuredOutputs,
    )

ABSENT = frozenset({b"", b"null"})


def only(constraints: Iterator[Constraint]) -> Constraint | None:
    """Return the constraint, None if there is none.

    Raises:
        InvalidRequestError: There are several, or one has a value that cannot be used.
    """
    found = list(constraints)
    if len(found) > 1:
        fields = " and ".join(sorted({constraint.field for constraint in found}))
        raise InvalidRequestError(f"at most one constraint is allowed, not {fields}", param=found[1].field)
    return found[0] if found else None


def of_request(body: RequestSampling) -> Iterator[Constraint]:
    """Yield what an OpenAI body asks for, in OpenAI's, SGLang's and vLLM's spellings."""
    yield from of_fields(body)
    if body.response_format is not None:
        yield from of_format(body.response_format)
    if body.structured_outputs is not None:
        yield from of_outputs(body.structured_outputs)
    yield from text(ConstraintKind.JSON_SCHEMA, body.guided_json, "guided_json")
    yield from plain(ConstraintKind.REGEX, body.guided_regex, "guided_regex")
    yield from plain(ConstraintKind.EBNF, body.guided_grammar, "guided_grammar")
    yield from choice(body.guided_choice, "guided_choice")


def of_fields(fields: SamplingFields, prefix: str = "") -> Iterator[Constraint]:
    """Yield what SGLang's own fields ask for."""
    yield from plain(ConstraintKind.REGEX, fields.regex, prefix + "regex")
    yield from plain(ConstraintKind.EBNF, fields.ebnf, prefix + "ebnf")
    yield from text(ConstraintKind.JSON_SCHEMA, fields.json_schema, prefix + "json_schema")
    yield from text(ConstraintKind.STRUCTURAL_TAG, fields.structural_tag, prefix + "structural_tag")


def of_format(asked: ResponseFormat) -> Iterator[Constraint]:
    """Yield what ``response_format`` asks for."""
    match asked.type:
        case "text":
            return
        case "json_object":
            yield Constraint(ConstraintKind.JSON_OBJECT, "", "response_format")
        case "json_schema":
            schema = asked.json_schema.schema if asked.json_schema is not None else msgspec.Raw()
            if bytes(schema) in ABSENT:
                raise bad("response_format.json_schema.schema", "is required")
            yield from text(ConstraintKind.JSON_SCHEMA, schema, "response_format")
        case "structural_tag":
            yield Constraint(ConstraintKind.STRUCTURAL_TAG, tag_text(asked), "response_format")
        case _:
            raise bad("response_format.type", "must be text, json_object, json_schema or structural_tag")


def tag_text(asked: ResponseFormat) -> str:
    """Return a structural tag as engines take it: the response format itself, less what is not its own."""
    parts = {"structures": asked.structures, "triggers": asked.triggers, "format": asked.format}
    given = {name: raw for name, raw in parts.items() if bytes(raw) not in ABSENT}
    if not given:
        raise bad("response_format", "must hold the structural tag's format, or its structures and triggers")
    return msgspec.json.encode({"type": asked.type, **given}).decode()


def of_outputs(asked: StructuredOutputs) -> Iterator[Constraint]:
    """Yield what ``structured_outputs`` asks for."""
    name = "structured_outputs"
    yield from text(ConstraintKind.JSON_SCHEMA, asked.json, f"{name}.json")
    yield from plain(ConstraintKind.REGEX, asked.regex, f"{name}.regex")
    yield from plain(ConstraintKind.EBNF, asked.grammar, f"{name}.grammar")
    yield from choice(asked.choice, f"{name}.choice")
    yield from text(ConstraintKind.STRUCTURAL_TAG, asked.structural_tag, f"{name}.structural_tag")
    if asked.json_object:
        yield Constraint(ConstraintKind.JSON_OBJECT, "", f"{name}.json_object")


def plain(kind: ConstraintKind, value: str | None, field: str) -> Iterator[Constraint]:
    """Yield the constraint that a string asks for; an empty one asks for nothing."""
    if value:
        yield Constraint(kind, value, field)


def text(kind: ConstraintKind, raw: msgspec.Raw, field: str) -> Iterator[Constraint]:
    """Yield the constraint of a JSON object, given as such or as text; its bytes stay as the caller wrote them."""
    value = bytes(raw)
    if value in ABSENT:
        return
    if value.startswith(b'"'):
        yield from plain(kind, msgspec.json.decode(value), field)
    elif value.startswith(b"{"):
        yield Constraint(kind, value.decode(), field)
    else:
        raise bad(field, "must be an object, or JSON text in a string")


def choice(options: list[str] | None, field: str) -> Iterator[Constraint]:
    """Yield the constraint to one of several texts."""
    if options is None:
        return
    if not options or not all(options) or len(options) > MAX_LIST:
        raise bad(field, f"must hold 1 to {MAX_LIST} strings, none of them empty")
    yield Constraint(ConstraintKind.CHOICE, msgspec.json.encode(options).decode(), field)
