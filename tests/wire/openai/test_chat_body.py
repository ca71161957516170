"""Tests of smg.wire.openai.chat_body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import InvalidRequestError, UnsupportedFieldError
from smg.wire.openai.chat_body import ChatBody
from smg.wire.openai.decoding import decode_body

TURN = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "description": None, "parameters": {"type": "object"}}}


def chat(**fields: Any) -> ChatBody:
    return decode_body(ChatBody, json.dumps({"messages": [TURN], **fields}).encode())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [TURN] * 10_001}, "messages"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"min_p": -0.1}, "min_p"),
        ({"top_k": -2}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"frequency_penalty": 2.1}, "frequency_penalty"),
        ({"presence_penalty": -2.1}, "presence_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 10**18}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"min_tokens": -1}, "min_tokens"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"min_tokens": 5, "max_tokens": 9, "max_completion_tokens": 4}, "min_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"sampling_seed": -(2**64)}, "sampling_seed"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"stop": ["a", ""]}, "stop"),
        ({"stop": ["a"] * 65}, "stop"),
        ({"stop": [1]}, "stop.0"),
        ({"stop_token_ids": [-1]}, "stop_token_ids"),
        ({"stop_token_ids": [2**31]}, "stop_token_ids"),
        ({"stop_token_ids": [1] * 1_025}, "stop_token_ids"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"-5": 1}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logit_bias": {str(key): 1 for key in range(1_025)}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": "yes"}, "stream"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": "maybe", "tools": [TOOL]}, "tool_choice"),
        ({"tool_choice": {"function": {"name": "g"}}, "tools": [TOOL]}, "tool_choice.function.name"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "web", "function": {"name": "f"}}]}, "tools.0.type"),
        ({"tools": [TOOL, {"function": {"name": ""}}]}, "tools.1.function.name"),
        ({"tools": [TOOL] * 513}, "tools"),
        ({"continue_final_message": True, "add_generation_prompt": True}, "continue_final_message"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """The caller learns which field is at fault, before any worker is picked."""
    with pytest.raises(InvalidRequestError) as caught:
        chat(**fields)

    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"chat_template": "{{ x }}"}, "chat_template"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
        ({"messages": [TURN, {"role": "assistant", "audio": {"id": "a"}}]}, "messages.1.audio"),
    ],
)
def test_fields_that_would_change_the_answer_are_never_ignored(fields: dict[str, Any], param: str) -> None:
    """What no gRPC engine can do is refused by name."""
    with pytest.raises(UnsupportedFieldError) as caught:
        chat(**fields)

    assert caught.value.param == param


def test_harmless_values_of_unserved_fields_pass() -> None:
    """Clients send null, false and empty values for what they do not want."""
    chat(audio=None, use_beam_search=False, functions=[], modalities=["text"], chat_template="", unknown={"a": 1})


@pytest.mark.parametrize(
    ("fields", "expected"), [({}, None), ({"max_tokens": 5}, 5), ({"max_tokens": 5, "max_completion_tokens": 7}, 7)]
)
def test_newer_name_of_the_bound_wins(fields: dict[str, Any], expected: int | None) -> None:
    """OpenAI renamed max_tokens; clients send both."""
    assert expected == chat(**fields).answer_tokens


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"logprobs": False, "top_logprobs": 0}, None),
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": 3}, 3),
    ],
)
def test_alternatives_are_none_unless_logprobs_are_asked_for(fields: dict[str, Any], expected: int | None) -> None:
    """0 reports only the token's own."""
    assert expected == chat(**fields).alternatives


def test_turn_is_opened_unless_the_last_message_goes_on() -> None:
    """Silence means what makes sense with the other field."""
    assert chat().generation_prompt
    assert not chat(continue_final_message=True).generation_prompt
    assert not chat(add_generation_prompt=False).generation_prompt


def test_tools_reach_the_template_as_they_came() -> None:
    """Absent members stay absent; no tools where none may be called."""
    assert chat(tools=[TOOL], tool_choice="auto").tool_fields == [TOOL]
    assert chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}).tool_fields == [TOOL]
    assert chat(tools=[]).tool_fields is None


def test_tools_are_spelt_as_engines_spell_them() -> None:
    """A template prints a tool as it stands: what the caller left out and in which order is not to be seen."""
    [tool] = chat(tools=[{"function": {"x": 1, "strict": True, "name": "f"}}]).tool_fields or []

    assert json.dumps(tool) == json.dumps(
        {"type": "function", "function": {"name": "f", "description": None, "parameters": None, "strict": True}}
    )
