"""Tests of smg.wire.openai.completion_body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import GatewayError, InvalidRequestError, UnsupportedFieldError
from smg.wire.openai.completion_body import CompletionBody
from smg.wire.openai.decoding import decode_body


def completion(**fields: Any) -> CompletionBody:
    return decode_body(CompletionBody, json.dumps({"prompt": "hi", **fields}).encode())


@pytest.mark.parametrize("prompt", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_prompts_come_in_four_shapes(prompt: object) -> None:
    """Text or ids, one or several."""
    assert completion(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"prompt": None}, InvalidRequestError, "prompt"),
        ({"prompt": [1.5]}, InvalidRequestError, "prompt.0"),
        ({"prompt": [[1, "x"]]}, InvalidRequestError, "prompt.0.1"),
        ({"logprobs": 21}, InvalidRequestError, "logprobs"),
        ({"logprobs": True}, InvalidRequestError, "logprobs"),
        ({"max_tokens": 0}, InvalidRequestError, "max_tokens"),
        ({"min_tokens": 17}, InvalidRequestError, "min_tokens"),
        ({"stream_options": {}}, InvalidRequestError, "stream_options"),
        ({"best_of": 0}, InvalidRequestError, "best_of"),
        ({"best_of": 3, "n": 2}, UnsupportedFieldError, "best_of"),
        ({"suffix": "x"}, UnsupportedFieldError, "suffix"),
        ({"prompt_embeds": "AAA"}, UnsupportedFieldError, "prompt_embeds"),
    ],
)
def test_faults_are_refused_by_name(fields: dict[str, Any], kind: type[GatewayError], param: str) -> None:
    """Wrong values and values nobody can serve are told apart."""
    with pytest.raises(kind) as caught:
        completion(**fields)

    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "expected"), [({}, 16), ({"max_tokens": 5}, 5), ({"max_tokens": 0, "echo": True}, 0)]
)
def test_answers_have_sixteen_tokens_by_default(fields: dict[str, Any], expected: int) -> None:
    """None at all only where the prompt comes back."""
    assert expected == completion(**fields).answer_tokens


def test_best_of_all_that_are_returned_is_no_wish() -> None:
    """One out of one, n out of n."""
    completion(best_of=1, n=4)
    completion(best_of=4, n=4)
