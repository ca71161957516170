"""Which shape of message content a template wants, read off its syntax tree, and messages brought into it."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from smg.text.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT_FIELDS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}


class ContentShape(Enum):
    """What a template can do with ``message.content``."""

    TEXT = "text"  # it prints the content
    PARTS = "parts"  # it walks over a list of parts, whatever comes
    EITHER = "either"  # it looks whether it was given a text or a list


def content_shape(tree: nodes.Template) -> ContentShape:
    """Return the shape by whether the template loops over content and whether it asks ``is string`` of it."""
    names = _content_names(tree)
    if not any(_is_content(loop.iter, names) for loop in tree.find_all(nodes.For)):
        return ContentShape.TEXT
    asks = any(test.name == "string" and _is_content(test.node, names) for test in tree.find_all(nodes.Test))
    return ContentShape.EITHER if asks else ContentShape.PARTS


def _content_names(tree: nodes.Template) -> set[str]:
    """Return the names that hold a message's content: variables set to it, parameters called with it."""
    names: set[str] = set()
    known = -1
    while len(names) > known:
        known = len(names)
        names.update(_assigned(tree, names), _passed(tree, names))
    return names


def _assigned(tree: nodes.Template, names: set[str]) -> Iterator[str]:
    for assign in tree.find_all(nodes.Assign):
        if isinstance(assign.target, nodes.Name) and _is_content(assign.node, names):
            yield assign.target.name


def _passed(tree: nodes.Template, names: set[str]) -> Iterator[str]:
    parameters = {macro.name: macro.args for macro in tree.find_all(nodes.Macro)}
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name):
            pairs = zip(parameters.get(call.node.name, []), call.args, strict=False)
            yield from (parameter.name for parameter, value in pairs if _is_content(value, names))


def _is_content(node: nodes.Node | None, names: set[str]) -> bool:
    match node:
        case nodes.Filter():
            return _is_content(node.node, names)
        case nodes.CondExpr():
            return _is_content(node.expr1, names) or _is_content(node.expr2, names)
        case nodes.Getattr():
            return node.attr == "content"
        case nodes.Getitem():
            return isinstance(node.arg, nodes.Const) and node.arg.value == "content"
        case nodes.Name():
            return node.name in names
        case _:
            return False


def fit(message: Mapping[str, Any], shape: ContentShape) -> dict[str, Any]:
    """Return a copy of ``message`` as a template of this shape reads it.

    Text parts become one text, joined by line feeds, where the template prints; missing content becomes an empty
    text; arguments of tool calls become objects.

    Raises:
        TemplateError: A part is no text, or arguments are no JSON object.
    """
    fitted = dict(message)
    fitted["content"] = _content(message.get("content"), shape)
    if calls := message.get("tool_calls"):
        fitted["tool_calls"] = [_with_object_arguments(call) for call in calls]
    return fitted


def _content(content: Any, shape: ContentShape) -> str | list[dict[str, str]]:
    if isinstance(content, list):
        texts = [_part_text(part) for part in content]
        return "\n".join(texts) if shape is ContentShape.TEXT else [_part(text) for text in texts]
    text = "" if content is None else content
    if not isinstance(text, str):
        raise TemplateError("message content is neither text nor a list of parts")
    return [_part(text)] if shape is ContentShape.PARTS else text


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = str(part.get("type")) if isinstance(part, dict) else "unknown"
    text = part.get(TEXT_FIELDS[kind]) if kind in TEXT_FIELDS else None
    if not isinstance(text, str):
        raise TemplateError(f"message content part of type {kind[:40]} is not text")
    return text


def _with_object_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return dict(call)
    return {**call, "function": {**function, "arguments": _object(function["arguments"])}}


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TemplateError("arguments of a tool call are not a json object")
    return value
