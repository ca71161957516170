"""Chat templates."""

from __future__ import annotations

from typing import Any

import pytest

from smg.text.content import ContentShape
from smg.text.errors import TemplateBudgetError, TemplateError
from smg.text.template import ChatTemplate
from tests.text.tokenizers_made import TEMPLATE

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look"}}


def test_conversation_is_rendered_with_the_next_turn_open() -> None:
    """By default the assistant's turn is opened at the end."""
    template = ChatTemplate(TEMPLATE, {})

    assert template.render([USER]) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert template.render([USER], add_generation_prompt=False) == "<|im_start|>user\nHi<|im_end|>\n"


def test_tools_and_calls_are_rendered() -> None:
    """Tools are listed and a call's arguments are written by the template."""
    call = {"function": {"name": "look", "arguments": '{"at": "é"}'}}
    text = ChatTemplate(TEMPLATE, {}).render(
        [USER, {"role": "assistant", "content": None, "tool_calls": [call]}], tools=[TOOL]
    )

    assert 'Tools:\n{"type": "function", "function": {"name": "look"}}\n' in text
    assert '<tool_call>look {"at": "é"}</tool_call><|im_end|>' in text


def test_template_of_its_own_is_used_for_tools() -> None:
    """Where a model names a ``tool_use`` template it serves conversations with tools."""
    template = ChatTemplate.of({"default": "plain", "tool_use": "tools"}, {})

    assert template is not None
    assert template.render([USER]) == "plain"
    assert template.render([USER], tools=[]) == "plain"
    assert template.render([USER], tools=[TOOL]) == "tools"
    assert ChatTemplate.of({"rag": "x"}, {}) is None


def test_special_tokens_and_kwargs_are_variables() -> None:
    """The caller's variables win over special tokens, but not over the conversation."""
    template = ChatTemplate("{{ bos_token }}{{ eos_token }}{{ mood }}{{ messages | length }}", {"bos_token": "<s>"})

    assert template.render([USER], kwargs={"mood": "glad", "messages": [1, 2, 3]}) == "<s>glad1"
    assert template.render([USER], kwargs={"bos_token": "<b>"}) == "<b>1"


def test_absent_tools_and_documents_are_none() -> None:
    """Templates ask ``tools is not none``."""
    template = ChatTemplate("{{ tools is none }} {{ documents is none }}", {})

    assert template.render([USER], tools=[]) == "True True"
    assert template.render([USER], kwargs={"documents": ["d"]}) == "True False"


CONTINUED = [USER, {"role": "assistant", "content": "It is "}]


@pytest.mark.parametrize(
    ("printed", "end"),
    [("message.content", "It is "), ("message.content | trim", "It is"), ("message.content[0].text", "It is ")],
)
def test_final_message_is_left_open(printed: str, end: str) -> None:
    """The text ends with the last message's own end, with its space unless the template trims messages."""
    loop = "{% for part in message.content %}{% endfor %}" if "[0]" in printed else ""
    source = (
        "{% for message in messages %}<" + loop + "{{ " + printed + " }}></end>{% endfor %}{{ add_generation_prompt }}"
    )

    assert ChatTemplate(source, {}).render(CONTINUED, continue_final_message=True) == "<Hi></end><" + end


def test_no_turn_is_opened_where_one_is_continued() -> None:
    """The template hears that it is not to open a turn."""
    source = "{{ add_generation_prompt }} {{ messages[-1].content }}"

    assert ChatTemplate(source, {}).render(CONTINUED, continue_final_message=True) == "False It is "


@pytest.mark.parametrize("messages", [[], CONTINUED])
def test_message_that_is_not_shown_cannot_be_continued(messages: list[dict[str, Any]]) -> None:
    """Rather than cut in the wrong place, the request is refused."""
    with pytest.raises(TemplateError, match="final message"):
        ChatTemplate("nothing", {}).render(messages, continue_final_message=True)


def test_refusal_of_the_template_is_passed_on() -> None:
    """The template's own words reach the caller."""
    with pytest.raises(TemplateError, match="only one user"):
        ChatTemplate("{{ raise_exception('only one user') }}", {}).render([USER])


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("{{ messages[0].content + 1 }}", "failed: TypeError"),
        ("{{ 1 / 0 }}", "failed: ZeroDivisionError"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "failed: RecursionError"),
        ("{{ messages[0].absent.field }}", "absent"),
    ],
)
def test_fault_of_the_template_never_quotes_the_conversation(source: str, match: str) -> None:
    """Whatever a template does wrong is one kind of error with a short reason."""
    with pytest.raises(TemplateError, match=match) as caught:
        ChatTemplate(source, {}).render([{"role": "user", "content": "secret"}])
    assert "secret" not in str(caught.value)


def test_budget_is_told_apart() -> None:
    """A caller can tell a template that ran out of time from one that refuses."""
    slow = ChatTemplate("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", {})
    with pytest.raises(TemplateBudgetError, match="too long"):
        slow.render([USER], cpu_secs=0.01)


@pytest.mark.parametrize(
    ("source", "match"),
    [("{% if %}", "line 1"), ("\n{{ a | absent }}", "line 2"), ("{{ " + "(" * 5000, "cannot be compiled")],
)
def test_source_that_is_no_template_is_refused(source: str, match: str) -> None:
    """The line at fault is named where there is one."""
    with pytest.raises(TemplateError, match=match):
        ChatTemplate(source, {})


def test_shape_of_the_template_is_known() -> None:
    """The shape is that of the usual template."""
    assert ChatTemplate(TEMPLATE, {}).shape is ContentShape.TEXT
