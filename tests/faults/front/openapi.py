"""An OpenAPI document of the gateway's paths, made from the very types its bodies are decoded into."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec.inspect as of

from smg.core.words import Endpoint
from smg.wire.openai import bodies
from smg.wire.openai.chat_body import CHAT_RANGES
from smg.wire.openai.chat_messages import ROLES
from smg.wire.openai.generate_body import TOKEN_RANGES
from smg.wire.openai.sampling_fields import RANGES

Schema: TypeAlias = dict[str, Any]

MODELS = ("m", "sim")
"""That of the recording worker, and that of a simulated engine behind gRPC."""

BODIES: dict[Endpoint, type[bodies.Body]] = {
    Endpoint.CHAT: bodies.ChatBody,
    Endpoint.COMPLETIONS: bodies.CompletionBody,
    Endpoint.EMBEDDINGS: bodies.EmbeddingBody,
    Endpoint.RERANK: bodies.RerankBody,
    Endpoint.CLASSIFY: bodies.ClassifyBody,
    Endpoint.SCORE: bodies.ScoreBody,
    Endpoint.GENERATE: bodies.GenerateBody,
    Endpoint.TOKENIZE: bodies.TokenizeBody,
    Endpoint.DETOKENIZE: bodies.DetokenizeBody,
}
NAMED = (("get", "/v1/models/{name}"), ("get", "/workers/{name}"), ("delete", "/workers/{name}"))
"""What stands of the other paths: those on which a caller's word says what is meant."""

COUNT = {"minimum": 1, "maximum": 4}
BOUNDS: dict[str, Schema] = {
    **{
        name: {"exclusiveMinimum" if allowed.above else "minimum": allowed.low, "maximum": allowed.high}
        for name, allowed in {**RANGES, **CHAT_RANGES, **TOKEN_RANGES}.items()
    },
    # Legal amounts would keep the simulated engine busy for minutes.
    **dict.fromkeys(("n", "best_of", "max_tokens", "max_completion_tokens", "max_new_tokens"), COUNT),
}
"""What a field's type does not say of its numbers, by its name."""

MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": {"enum": sorted(ROLES)}, "content": {"type": "string"}},
}
PLAINER: dict[str, Schema] = {
    "messages": {"type": "array", "minItems": 1, "items": MESSAGE},
    "model": {"enum": list(MODELS)},
}
"""Fields by name, where any value of the type would nearly always be refused."""

TEXT = {"type": ["string", "null"]}
ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "additionalProperties": False,
            "properties": {"message": {"type": "string"}, "type": {"type": "string"}, "param": TEXT, "code": TEXT},
        }
    },
}


NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
ANSWERS: Schema = {
    "responses": {
        "200": {"description": "", "content": {"application/json": {}, "text/event-stream": {}}},
        "default": {"description": "", "content": {"application/json": {"schema": ERROR}}},
    }
}


def document() -> Schema:
    """Return the whole document."""
    paths = {each.value: {"post": {"requestBody": content(body), **ANSWERS}} for each, body in BODIES.items()}
    for method, path in NAMED:
        paths.setdefault(path, {})[method] = {"parameters": [NAME], **ANSWERS}
    return {"openapi": "3.1.0", "info": {"title": "smg", "version": "0"}, "paths": paths}


def content(body: type[bodies.Body]) -> Schema:
    """Return a body in JSON, which is a must."""
    return {"required": True, "content": {"application/json": {"schema": schema(of.type_info(body))}}}


def schema(kind: of.Type) -> Schema:
    """Return the JSON schema of a type."""
    match kind:
        case of.StructType():
            return struct(kind)
        case of.UnionType():
            return {"anyOf": [schema(each) for each in kind.types]}
        case of.ListType():
            return {"type": "array", "items": schema(kind.item_type)}
        case of.DictType():
            return {"type": "object", "additionalProperties": schema(kind.value_type)}
        case _:
            return {"type": LEAVES[type(kind)]} if type(kind) in LEAVES else {}


LEAVES: dict[type[of.Type], str] = {
    of.StrType: "string",
    of.IntType: "integer",
    of.FloatType: "number",
    of.BoolType: "boolean",
    of.NoneType: "null",
}


def struct(kind: of.StructType) -> Schema:
    """Return the schema of an object; a model is always named, since several are served."""
    names = [each.encode_name for each in kind.fields if each.required or each.encode_name == "model"]
    return {"type": "object", "required": names, "properties": {each.encode_name: field(each) for each in kind.fields}}


def field(kind: of.Field) -> Schema:
    """Return the schema of one field."""
    name = kind.encode_name
    return PLAINER.get(name) or {**schema(kind.type), **BOUNDS.get(name, {})}
