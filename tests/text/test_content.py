"""The shape of content a template wants."""

from __future__ import annotations

from typing import Any

import pytest

from smg.text.content import ContentShape, content_shape, fit
from smg.text.errors import TemplateError
from smg.text.sandbox import Sandbox

LOOP = "{% for message in messages %}"


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        (LOOP + "{{ message.content }}{% endfor %}", ContentShape.TEXT),
        (LOOP + "{{ message['content'] | trim }}{% endfor %}", ContentShape.TEXT),
        (LOOP + "{% for line in message.content.split('x') %}{{ line }}{% endfor %}{% endfor %}", ContentShape.TEXT),
        (LOOP + "{% for part in message['content'] %}{{ part.text }}{% endfor %}{% endfor %}", ContentShape.PARTS),
        (
            LOOP + "{% for part in message.content | selectattr('type', 'equalto', 'text') %}{{ part.text }}"
            "{% endfor %}{% endfor %}",
            ContentShape.PARTS,
        ),
        (
            LOOP + "{% if message.content is string %}{{ message.content }}{% else %}"
            "{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}{% endfor %}",
            ContentShape.EITHER,
        ),
        (
            LOOP + "{% set content = message.content if message.content else [] %}"
            "{% for part in content %}{{ part.text }}{% endfor %}{% endfor %}",
            ContentShape.PARTS,
        ),
        (
            "{% macro inner(b) %}{% if b is string %}{{ b }}{% else %}{% for p in b %}{{ p.text }}{% endfor %}"
            "{% endif %}{% endmacro %}{% macro show(a) %}{{ inner(a) }}{% endmacro %}"
            + LOOP
            + "{{ show(message.content) }}{% endfor %}",
            ContentShape.EITHER,
        ),
    ],
)
def test_shape_is_read_off_the_source(source: str, shape: ContentShape) -> None:
    """A loop over content asks for parts, a look at its type takes both, printing asks for text."""
    assert content_shape(Sandbox().parse(source)) is shape


PARTS = [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}, "c"]
PLAIN_PARTS = [{"type": "text", "text": text} for text in "abc"]


@pytest.mark.parametrize(
    ("content", "shape", "expected"),
    [
        ("a", ContentShape.TEXT, "a"),
        ("a", ContentShape.EITHER, "a"),
        ("a", ContentShape.PARTS, [{"type": "text", "text": "a"}]),
        (PARTS, ContentShape.TEXT, "a\nb\nc"),
        (PARTS, ContentShape.EITHER, PLAIN_PARTS),
        (PARTS, ContentShape.PARTS, PLAIN_PARTS),
        (None, ContentShape.TEXT, ""),
    ],
)
def test_content_is_brought_into_shape(content: Any, shape: ContentShape, expected: Any) -> None:
    """Text and parts stand for each other; missing content is an empty text."""
    message = {"role": "user", "content": content}

    assert fit(message, shape) == {"role": "user", "content": expected}
    assert message == {"role": "user", "content": content}


@pytest.mark.parametrize("part", [{"type": "image_url", "image_url": {}}, {"type": "text"}, 5, {"type": []}])
def test_part_that_is_no_text_is_refused(part: Any) -> None:
    """An image is never dropped in silence."""
    with pytest.raises(TemplateError, match="not text"):
        fit({"role": "user", "content": [part]}, ContentShape.EITHER)


def test_content_of_another_type_is_refused() -> None:
    """Content is a text or a list."""
    with pytest.raises(TemplateError, match="neither"):
        fit({"role": "user", "content": {"a": 1}}, ContentShape.TEXT)


def call(arguments: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]}


@pytest.mark.parametrize(("arguments", "expected"), [('{"a": 1}', {"a": 1}), ("", {}), ({"b": 2}, {"b": 2})])
def test_arguments_become_objects(arguments: Any, expected: dict[str, Any]) -> None:
    """Templates write out arguments themselves, so they are given as objects."""
    given = call(arguments)
    fitted = fit(given, ContentShape.TEXT)

    assert fitted["tool_calls"] == [{"id": "1", "function": {"name": "f", "arguments": expected}}]
    assert given == call(arguments)


@pytest.mark.parametrize("arguments", ["{", "[1]", "null", "[" * 2_000], ids=len)
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    """A broken call in the history is the caller's mistake and said so."""
    with pytest.raises(TemplateError, match="arguments"):
        fit(call(arguments), ContentShape.TEXT)


def test_call_without_a_function_is_left_alone() -> None:
    """What is not understood is passed on for the template to judge."""
    fitted = fit({"role": "assistant", "tool_calls": [{"id": "1"}]}, ContentShape.TEXT)

    assert fitted["tool_calls"] == [{"id": "1"}]
