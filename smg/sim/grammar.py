"""The smallest answers that satisfy a grammar."""

from __future__ import annotations

import json
from typing import Any

from smg.sim.asks import RefusedError

MAX_DEPTH = 16


def constrained(kind: str, value: str, word: str) -> str:
    """Return a text that satisfies the grammar; raise RefusedError for a kind that is not served."""
    match kind:
        case "json_object":
            return json.dumps({"answer": word, "length": len(word)})
        case "json_schema":
            return json.dumps(_instance(_schema(value), word, MAX_DEPTH))
        case "choice":
            return value
        case _:
            raise RefusedError(f"the grammar backend of this engine cannot compile a {kind}")


def _schema(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise RefusedError("the JSON schema is not JSON") from error


def _instance(schema: Any, word: str, depth: int) -> Any:
    if depth == 0:
        raise RefusedError("the JSON schema is nested too deeply")
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    return _by_type(schema, word, depth)


def _by_type(schema: dict[str, Any], word: str, depth: int) -> Any:
    wanted = schema.get("type", "object" if "properties" in schema else "null")
    match wanted[0] if isinstance(wanted, list) else wanted:
        case "object":
            fields = schema.get("properties", {})
            names = schema.get("required", list(fields))
            return {name: _instance(fields.get(name), word, depth - 1) for name in names}
        case "array":
            return [_instance(schema.get("items"), word, depth - 1)] * int(schema.get("minItems", 1))
        case "string":
            return word.ljust(int(schema.get("minLength", 0)), "x")
        case "integer" | "number":
            return schema.get("minimum", len(word))
        case "boolean":
            return True
        case _:
            return None
