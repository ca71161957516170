"""Tests of smg.wire.openai.sampling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.generation import Sampling
from smg.wire.openai.bodies import ChatBody, CompletionBody, GenerateBody, decode_body
from smg.wire.openai.sampling import chat_sampling, completion_sampling, generate_sampling

SHARED = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 5,
    "min_p": 0.1,
    "frequency_penalty": 0.2,
    "presence_penalty": -0.2,
    "repetition_penalty": 1.1,
    "stop": ["x", "y"],
    "stop_token_ids": [7],
    "ignore_eos": True,
    "skip_special_tokens": False,
    "no_stop_trim": True,
    "n": 2,
    "logit_bias": {"5": -1},
    "custom_params": {"a": 1},
}
EXPECTED: dict[str, Any] = {
    **SHARED,
    "stop": ("x", "y"),
    "stop_token_ids": (7,),
    "logit_bias": {5: -1.0},
    "min_tokens": 1,
    "max_tokens": 9,
    "seed": 3,
}
del EXPECTED["custom_params"]


def chat(**fields: Any) -> Sampling:
    messages = [{"role": "user", "content": "hi"}]
    return chat_sampling(decode_body(ChatBody, json.dumps({"messages": messages, **fields}).encode()))


def test_chat_says_all_it_can() -> None:
    """Each field arrives under the domain's name."""
    sampling = chat(**SHARED, max_completion_tokens=9, min_tokens=1, seed=3, priority=4, lora_path="l")

    assert sampling == Sampling(**EXPECTED, extra={"priority": 4, "lora_path": "l", "custom_params": {"a": 1}})


def test_completion_says_the_same() -> None:
    """The two bodies share their fields."""
    body = {"prompt": "a", **SHARED, "max_tokens": 9, "min_tokens": 1, "sampling_seed": 3}

    assert completion_sampling(decode_body(CompletionBody, json.dumps(body).encode())) == Sampling(
        **EXPECTED, extra={"custom_params": {"a": 1}}
    )


def test_native_sampling_says_the_same_in_other_words() -> None:
    """With what stands beside the sampling in the body."""
    params = {**SHARED, "max_new_tokens": 9, "min_new_tokens": 1, "sampling_seed": 3, "stream_interval": 2}
    body = decode_body(GenerateBody, json.dumps({"text": "a", "sampling_params": params, "extra_key": "k"}).encode())

    assert generate_sampling(body.params(0)) == Sampling(
        **EXPECTED, extra={"custom_params": {"a": 1}, "stream_interval": 2, "extra_key": "k"}
    )


def test_silence_stays_silence() -> None:
    """The model's defaults are for the router to fill in."""
    assert chat() == Sampling()
    assert chat(temperature=None, stop=None, n=None, seed=None, logit_bias=None, skip_special_tokens=None) == Sampling()
    assert generate_sampling(decode_body(GenerateBody, b'{"text":"a"}').params(0)) == Sampling()


@pytest.mark.parametrize(("stop", "expected"), [("a", ("a",)), (["a"], ("a",)), ("", ()), ([], ())])
def test_stop_is_one_string_or_several(stop: object, expected: tuple[str, ...]) -> None:
    """An empty one is none."""
    assert chat(stop=stop).stop == expected


def test_names_of_one_thing() -> None:
    """VLLM's word for keeping the stop string, both words for no top_k, both for the seed."""
    assert chat(include_stop_str_in_output=True).no_stop_trim
    assert chat(top_k=0).top_k == chat(top_k=-1).top_k == -1
    assert chat(seed=0, sampling_seed=5).seed == 0
