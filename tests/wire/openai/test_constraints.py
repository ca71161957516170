"""Tests of smg.wire.openai.constraints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import InvalidRequestError
from smg.core.generation import Constraint, ConstraintKind
from smg.wire.openai.bodies import ChatBody, GenerateBody, decode_body
from smg.wire.openai.sampling import chat_sampling, generate_sampling

SCHEMA = {"type": "object", "properties": {"b": {}, "a": {"maximum": 1.0}}}
TEXT = json.dumps(SCHEMA)
TAG = {"type": "structural_tag", "format": {"type": "any_text"}}


def constraint(**fields: Any) -> Constraint | None:
    messages = [{"role": "user", "content": "hi"}]
    return chat_sampling(decode_body(ChatBody, json.dumps({"messages": messages, **fields}).encode())).constraint


@pytest.mark.parametrize(
    ("fields", "kind", "value", "field"),
    [
        ({"response_format": {"type": "json_object"}}, "json_object", "", "response_format"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "strict": True, "schema": SCHEMA},
                }
            },
            "json_schema",
            TEXT,
            "response_format",
        ),
        ({"response_format": TAG}, "structural_tag", '{"type":"structural_tag","format":{"type": "any_text"}}', None),
        ({"regex": "a+"}, "regex", "a+", "regex"),
        ({"ebnf": "root ::= x"}, "ebnf", "root ::= x", "ebnf"),
        ({"json_schema": SCHEMA}, "json_schema", TEXT, "json_schema"),
        ({"json_schema": TEXT}, "json_schema", TEXT, "json_schema"),
        ({"guided_json": SCHEMA}, "json_schema", TEXT, "guided_json"),
        ({"guided_regex": "a"}, "regex", "a", "guided_regex"),
        ({"guided_grammar": "g"}, "ebnf", "g", "guided_grammar"),
        ({"guided_choice": ["a", "b"]}, "choice", '["a","b"]', "guided_choice"),
        ({"structured_outputs": {"json": SCHEMA}}, "json_schema", TEXT, "structured_outputs.json"),
        ({"structured_outputs": {"regex": "a"}}, "regex", "a", "structured_outputs.regex"),
        ({"structured_outputs": {"grammar": "g"}}, "ebnf", "g", "structured_outputs.grammar"),
        ({"structured_outputs": {"choice": ["a"]}}, "choice", '["a"]', "structured_outputs.choice"),
        ({"structured_outputs": {"json_object": True}}, "json_object", "", "structured_outputs.json_object"),
        (
            {"structured_outputs": {"structural_tag": '{"a":1}'}},
            "structural_tag",
            '{"a":1}',
            "structured_outputs.structural_tag",
        ),
    ],
)
def test_every_spelling_is_understood(fields: dict[str, Any], kind: str, value: str, field: str | None) -> None:
    """Schemas keep the caller's bytes: the order of properties matters to the answer."""
    assert constraint(**fields) == Constraint(ConstraintKind(kind), value, field or "response_format")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"response_format": {"type": "text"}},
        {"response_format": None, "regex": None, "guided_json": None, "structured_outputs": {}},
        {"regex": "", "json_schema": ""},
        {"structured_outputs": {"json_object": False}},
    ],
)
def test_silence_is_no_constraint(fields: dict[str, Any]) -> None:
    """Null and empty are silence."""
    assert constraint(**fields) is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"regex": "a", "ebnf": "b"}, "ebnf"),
        ({"regex": "a", "response_format": {"type": "json_object"}}, "response_format"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs.choice"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "structural_tag"}}, "response_format"),
        ({"json_schema": [1]}, "json_schema"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": [""]}, "guided_choice"),
    ],
)
def test_two_or_broken_constraints_are_refused(fields: dict[str, Any], param: str) -> None:
    """Engines would silently take one of them."""
    with pytest.raises(InvalidRequestError) as caught:
        constraint(**fields)

    assert caught.value.param == param


def test_native_constraint_is_named_with_its_place() -> None:
    """Errors point into sampling_params."""
    body = decode_body(GenerateBody, b'{"text":"a","sampling_params":{"json_schema":"{}"}}')

    assert generate_sampling(body.params(0)).constraint == Constraint(
        ConstraintKind.JSON_SCHEMA, "{}", "sampling_params.json_schema"
    )
