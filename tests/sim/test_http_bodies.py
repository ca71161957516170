"""Bodies as an engine reads them."""

from __future__ import annotations

import pytest

from smg.sim import vocabulary
from smg.sim.asks import RefusedError
from smg.sim.http_bodies import ChatBody, Function, Message, banned, chat_prompt


def with_call(arguments: str) -> ChatBody:
    """Return a chat whose last turn called a tool."""
    function: Function = {"name": "f", "arguments": arguments}
    return ChatBody(messages=[{"role": "assistant", "content": None, "tool_calls": [{"function": function}]}])


@pytest.mark.parametrize(("arguments", "seen"), [('{"a": 1}', '{"a": 1}'), ("", "{}")])
def test_template_sees_arguments_as_objects(arguments, seen) -> None:
    """Arguments come as text and are rendered as the object they spell."""
    prompt = vocabulary.decode(chat_prompt(with_call(arguments)))

    assert f'"arguments": {seen}' in prompt


def test_broken_arguments_are_refused() -> None:
    """Arguments that are no JSON are the caller's fault."""
    with pytest.raises(RefusedError, match="not JSON"):
        chat_prompt(with_call("{"))


def test_tools_are_left_out_when_none_may_be_called() -> None:
    """With tool_choice none the prompt names no tool."""
    tools = [{"type": "function", "function": {"name": "spell"}}]
    messages: list[Message] = [{"role": "user", "content": "x"}]

    assert "spell" in vocabulary.decode(chat_prompt(ChatBody(messages=messages, tools=tools)))
    none = ChatBody(messages=messages, tools=tools, tool_choice="none")
    assert "spell" not in vocabulary.decode(chat_prompt(none))


def test_only_strong_biases_ban() -> None:
    """A slight bias does not ban, minus one hundred does."""
    assert banned({"5": -100, "6": -1, "7": 100}) == {5}
