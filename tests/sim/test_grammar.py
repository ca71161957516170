"""Smallest instances of grammars."""

from __future__ import annotations

import json

import pytest

from smg.sim.asks import RefusedError
from smg.sim.grammar import constrained

CASES = [
    ({"type": "string", "minLength": 8}, "riverxxx"),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
    ({"type": ["integer", "null"], "minimum": 7}, 7),
    ({"const": {"a": 1}}, {"a": 1}),
    ({"properties": {"a": {"type": "null"}, "b": {"type": "string"}}, "required": ["b"]}, {"b": "river"}),
    (True, None),
]


@pytest.mark.parametrize(("schema", "expected"), CASES)
def test_schema_has_a_minimal_instance(schema, expected) -> None:
    """Each type has its smallest value."""
    assert expected == json.loads(constrained("json_schema", json.dumps(schema), "river"))


@pytest.mark.parametrize(("kind", "value"), [("regex", "a+"), ("json_schema", "{"), ("json_schema", "[" * 5)])
def test_what_cannot_be_served_is_refused(kind, value) -> None:
    """Patterns and broken schemas are refused, in the engine's words."""
    with pytest.raises(RefusedError):
        constrained(kind, value, "river")


def test_endless_nesting_is_refused() -> None:
    """A schema deeper than the cap is refused rather than followed."""
    schema = json.dumps({"type": "array", "items": None}).replace(
        "null", '{"type":"array","items":' * 20 + "{}" + "}" * 20
    )

    with pytest.raises(RefusedError, match="deeply"):
        constrained("json_schema", schema, "river")
