"""Tests of smg.wire.openai.generate_body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import GatewayError, InvalidRequestError, UnsupportedFieldError
from smg.wire.openai.decoding import decode_body
from smg.wire.openai.generate_body import GenerateBody


def generate(**fields: Any) -> GenerateBody:
    return decode_body(GenerateBody, json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("fields", "prompts", "batch"),
    [
        ({"text": "a"}, ["a"], False),
        ({"text": ["a"]}, ["a"], True),
        ({"input_ids": [1, 2]}, [[1, 2]], False),
        ({"input_ids": [[1], [2, 3]]}, [[1], [2, 3]], True),
    ],
)
def test_prompts_and_the_shape_of_the_answer(fields: dict[str, Any], prompts: list[object], batch: bool) -> None:
    """A list is answered by a list, even a list of one."""
    body = generate(**fields)

    assert (prompts, batch) == (body.prompts, body.batch)


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({}, InvalidRequestError, "text"),
        ({"text": "a", "input_ids": [1]}, InvalidRequestError, "text"),
        ({"text": ""}, InvalidRequestError, "text"),
        ({"text": []}, InvalidRequestError, "text"),
        ({"text": ["a", ""]}, InvalidRequestError, "text"),
        ({"input_ids": []}, InvalidRequestError, "input_ids"),
        ({"input_ids": [1, [2]]}, InvalidRequestError, "input_ids"),
        ({"text": "a", "sampling_params": {"temperature": 3}}, InvalidRequestError, "sampling_params.temperature"),
        (
            {"text": "a", "sampling_params": {"max_new_tokens": -1}},
            InvalidRequestError,
            "sampling_params.max_new_tokens",
        ),
        (
            {"text": "a", "sampling_params": {"max_new_tokens": 1, "min_new_tokens": 2}},
            InvalidRequestError,
            "sampling_params.min_new_tokens",
        ),
        ({"text": ["a"], "sampling_params": [{"n": 0}]}, InvalidRequestError, "sampling_params.0.n"),
        ({"text": ["a"], "sampling_params": [{"n": "x"}]}, InvalidRequestError, "sampling_params.0.n"),
        ({"text": ["a"], "sampling_params": []}, InvalidRequestError, "sampling_params"),
        ({"text": ["a"], "rid": ["1", "2"]}, InvalidRequestError, "rid"),
        ({"text": "a", "top_logprobs_num": 21}, InvalidRequestError, "top_logprobs_num"),
        ({"text": ["a", "b"], "top_logprobs_num": [1, -1]}, InvalidRequestError, "top_logprobs_num"),
        ({"text": "a", "logprob_start_len": -2}, InvalidRequestError, "logprob_start_len"),
        ({"text": "a", "image_data": "x"}, UnsupportedFieldError, "image_data"),
        ({"text": "a", "return_hidden_states": True}, UnsupportedFieldError, "return_hidden_states"),
        ({"text": ["a"], "lora_path": ["x"]}, UnsupportedFieldError, "lora_path"),
    ],
)
def test_faults_are_refused_by_name(fields: dict[str, Any], kind: type[GatewayError], param: str) -> None:
    """Also inside the sampling of one prompt of a batch."""
    with pytest.raises(kind) as caught:
        generate(**fields)

    assert caught.value.param == param


def test_fields_hold_for_all_prompts_or_for_each() -> None:
    """SGLang takes one value or a list."""
    body = generate(
        text=["a", "b"],
        sampling_params=[{"n": 1}, {"n": 2}],
        return_logprob=[True, False],
        top_logprobs_num=3,
        logprob_start_len=[0, 0],
        priority=7,
    )

    assert [body.params(0).n, body.params(1).n] == [1, 2]
    assert [body.alternatives(0), body.alternatives(1)] == [3, None]
    assert [body.scores_prompt(0), body.scores_prompt(1)] == [True, False]
    assert [body.params(0).priority, body.params(1).priority] == [7, 7]


def test_silence_asks_for_no_logprobs() -> None:
    """And for the default sampling."""
    body = generate(text="a", return_logprob=True)

    assert (body.alternatives(0), body.scores_prompt(0), body.params(0).max_new_tokens) == (0, False, None)
