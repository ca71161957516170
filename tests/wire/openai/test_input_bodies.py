"""Tests of smg.wire.openai.input_bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smg.core.errors import InvalidRequestError
from smg.wire.openai.bodies import (
    Body,
    ClassifyBody,
    DetokenizeBody,
    EmbeddingBody,
    RerankBody,
    ScoreBody,
    TokenizeBody,
    decode_body,
)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (EmbeddingBody, {"input": "a", "encoding_format": "base64", "dimensions": 3}),
        (EmbeddingBody, {"input": [[1, 2], [3]]}),
        (ClassifyBody, {"input": ["a", "b"]}),
        (RerankBody, {"query": "q", "documents": ["d"], "top_n": 1}),
        (ScoreBody, {"text_1": "a", "text_2": ["b", "c"]}),
        (TokenizeBody, {"prompt": "a", "add_special_tokens": False}),
        (TokenizeBody, {"messages": [{"role": "user", "content": "a"}]}),
        (DetokenizeBody, {"tokens": [1, 2]}),
        (DetokenizeBody, {"tokens": [[1], []]}),
        (DetokenizeBody, {"tokens": []}),
    ],
)
def test_bodies_of_good_callers_pass(kind: type[Body], fields: dict[str, Any]) -> None:
    """In each of their shapes."""
    body = decode_body(kind, json.dumps(fields).encode())

    assert {name: getattr(body, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        (EmbeddingBody, {}, "input"),
        (EmbeddingBody, {"input": "a", "encoding_format": "hex"}, "encoding_format"),
        (EmbeddingBody, {"input": "a", "dimensions": 0}, "dimensions"),
        (ClassifyBody, {"input": 1}, "input"),
        (RerankBody, {"query": "q", "documents": []}, "documents"),
        (RerankBody, {"query": "q", "documents": ["d"], "top_k": 0}, "top_k"),
        (RerankBody, {"documents": ["d"]}, "query"),
        (ScoreBody, {"text_1": "", "text_2": "a"}, "text_1"),
        (ScoreBody, {"text_1": "a", "text_2": []}, "text_2"),
        (TokenizeBody, {}, "prompt"),
        (TokenizeBody, {"prompt": "a", "messages": []}, "prompt"),
        (TokenizeBody, {"messages": []}, "messages"),
        (DetokenizeBody, {"tokens": [1, [2]]}, "tokens"),
        (DetokenizeBody, {"tokens": [-1]}, "tokens"),
        (DetokenizeBody, {"tokens": "a"}, "tokens"),
    ],
)
def test_faults_are_refused_by_name(kind: type[Body], fields: dict[str, Any], param: str) -> None:
    """Missing, of the wrong type, out of range."""
    with pytest.raises(InvalidRequestError) as caught:
        decode_body(kind, json.dumps(fields).encode())

    assert caught.value.param == param
