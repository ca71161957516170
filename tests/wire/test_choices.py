"""Tests of smg.wire.choices."""

from __future__ import annotations

import json

import pytest

from smg.core.words import Endpoint
from smg.wire.choices import MOST_CHOICES, choices_asked, choices_finished


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (Endpoint.CHAT, {"messages": []}, 1),
        (Endpoint.CHAT, {"n": None}, 1),
        (Endpoint.CHAT, {"n": 3, "prompt": ["a", "b"]}, 3),
        (Endpoint.COMPLETIONS, {"prompt": "a"}, 1),
        (Endpoint.COMPLETIONS, {"prompt": ["a", "b"]}, 2),
        (Endpoint.COMPLETIONS, {"prompt": ["a", "b"], "n": 2}, 4),
        (Endpoint.COMPLETIONS, {"prompt": [1, 2, 3]}, 1),
        (Endpoint.COMPLETIONS, {"prompt": [[1, 2], [3]]}, 2),
        (Endpoint.COMPLETIONS, {"prompt": []}, 1),
        (Endpoint.COMPLETIONS, {}, 1),
        (Endpoint.COMPLETIONS, {"prompt": None, "prompt_embeds": ["a", "b"]}, 2),
        (Endpoint.COMPLETIONS, {"prompt": ["a"], "prompt_embeds": "b"}, 2),
        (Endpoint.GENERATE, {"text": "a"}, 1),
        (Endpoint.GENERATE, {"text": ["a", "b", "c"]}, 3),
        (Endpoint.GENERATE, {"input_ids": [[1], [2]], "sampling_params": {"n": 2}}, 4),
        (Endpoint.GENERATE, {"text": ["a", "b"], "sampling_params": [{"n": 2}, {"n": 2}]}, 4),
        (Endpoint.GENERATE, {"text": "a", "sampling_params": []}, 1),
        (Endpoint.GENERATE, {"text": "a", "sampling_params": "odd"}, 1),
        (Endpoint.EMBEDDINGS, {"input": ["a", "b"]}, 1),
    ],
)
def test_a_request_asks_for_so_many(endpoint, body, expected):
    """As many answers per prompt as it says, for each of its prompts; token ids are one prompt."""
    assert choices_asked(endpoint, json.dumps(body, indent=1).encode()) == expected


def event(**fields) -> bytes:
    """Return one event."""
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(event(choices=[{"index": 2, "finish_reason": "stop"}]), {2}, id="a choice"),
        pytest.param(event(choices=[{"finish_reason": "stop"}]), {0}, id="no index"),
        pytest.param(
            event(choices=[{"index": 0, "finish_reason": None}, {"index": 1, "finish_reason": "length"}]),
            {1},
            id="one of two",
        ),
        pytest.param(
            event(choices=[{"index": 0, "finish_reason": "stop"}])
            + event(choices=[{"index": 1, "finish_reason": None}])
            + event(choices=[{"index": 3, "finish_reason": "stop"}]),
            {0, 3},
            id="several events",
        ),
        pytest.param(event(meta_info={"finish_reason": {"type": "stop"}}), {0}, id="native"),
        pytest.param(event(meta_info={"finish_reason": {"type": "stop"}}, index=5), {5}, id="native, one of many"),
        pytest.param(event(details={"finish_reason": "length"}), {0}, id="elsewhere"),
        pytest.param(b'data: {"finish_reason": "stop"\n\n', {0}, id="broken"),
        pytest.param(
            b": ping\n\nid: 7\n" + event(choices=[{"index": 2, "finish_reason": "stop"}]), {2}, id="behind a comment"
        ),
        pytest.param(b'data: {"index": 4,\ndata: "finish_reason": "stop"}\n\n', {0}, id="of two lines"),
        pytest.param(
            b'data: {"finish_reason":\ndata: "stop"}\n\n' + event(choices=[{"index": 1, "finish_reason": "stop"}]),
            {1},
            id="cut in two by a line's end",
        ),
        pytest.param(event(choices=[{"index": 2, "finish_reason": "stop"}]).replace(b"\n", b"\r\n"), {2}, id="crlf"),
        pytest.param(event(choices=[{"index": 6, "finish_reason": "stop"}]) + b"data: [DONE]\n\n", {6}, id="the end"),
        pytest.param(event(choices=[{"index": MOST_CHOICES, "finish_reason": "stop"}]), set(), id="beyond the cap"),
    ],
)
def test_a_reason_belongs_to_a_choice(events, expected):
    """By its index; a reason in a place nobody knows counts for the first."""
    assert choices_finished(events) == expected
