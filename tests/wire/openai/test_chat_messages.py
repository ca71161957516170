"""Tests of smg.wire.openai.chat_messages."""

from __future__ import annotations

from typing import Any

import pytest

from smg.core.errors import InvalidRequestError, UnsupportedFieldError
from smg.wire.openai.chat_messages import check_messages


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "x"},
        {"role": "developer", "content": ""},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant"},
        {"role": "tool", "content": "x", "tool_call_id": "1"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, "b", {"type": "input_text", "text": "c"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "user", "content": []},
    ],
)
def test_messages_of_text_pass(message: dict[str, Any]) -> None:
    """All that a template can spell out."""
    check_messages([message])


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"content": "x"}, "role"),
        ({"role": "robot", "content": "x"}, "role"),
        ({"role": ["user"], "content": "x"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": 1}, "content"),
        ({"role": "user", "content": [1]}, "content.0.type"),
        ({"role": "user", "content": ["a", {"text": "b"}]}, "content.1.type"),
        ({"role": "user", "content": [{"type": "text"}]}, "content.0.text"),
    ],
)
def test_fault_is_named_by_its_path(message: dict[str, Any], param: str) -> None:
    """With the message's number."""
    with pytest.raises(InvalidRequestError) as caught:
        check_messages([{"role": "user", "content": "x"}, message])

    assert caught.value.param == f"messages.1.{param}"


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "video_url", "file", "made_up"])
def test_parts_that_are_not_text_are_refused(kind: str) -> None:
    """A model that does not see the picture must not answer as if it had."""
    with pytest.raises(UnsupportedFieldError) as caught:
        check_messages([{"role": "user", "content": [{"type": kind}]}])

    assert caught.value.param == "messages.0.content.0.type"
    assert "made_up" not in caught.value.message
