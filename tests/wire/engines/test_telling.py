"""Small readers of what engines tell."""

from __future__ import annotations

import json

import pytest

from smg.stubs import sglang_scheduler_pb2 as pb
from smg.wire.engines.telling import as_dict, positive, sampling_defaults


@pytest.mark.parametrize(
    "document", ["", "no json", "[1]", "null", '{"top_p":"0.5"}', '{"top_p":NaN}', '{"top_p":true}']
)
def test_odd_defaults_are_left_out(document: str) -> None:
    """Defaults that are no JSON object, or no number, are as if not told."""
    assert sampling_defaults(document) == {}


def test_later_defaults_go_first() -> None:
    """An operator's preference overrides the model's own."""
    assert sampling_defaults('{"top_p":0.5,"top_k":1}', '{"top_p":0.6}') == {"top_p": 0.6, "top_k": 1.0}


@pytest.mark.parametrize(("values", "number"), [((0, 5), 5), ((None, 2.0), 2), ((True, "7"), None), ((), None)])
def test_positive_takes_the_first_number(values: tuple[object, ...], number: int | None) -> None:
    """Zero, nothing, flags and texts are no sizes."""
    assert positive(*values) == number


def test_message_becomes_json() -> None:
    """Field names stay the protocol's, and numbers that JSON lacks become text at any depth."""
    message = pb.GetServerInfoResponse(sglang_version="0.5")
    message.server_args.update({"a": {"b": [float("inf"), 1]}, "c": float("nan"), "d": None})
    told = json.loads(json.dumps(as_dict(message), allow_nan=False))
    assert told == {"sglang_version": "0.5", "server_args": {"a": {"b": ["inf", 1]}, "c": "nan", "d": None}}
    assert message.server_args["c"] != "nan", "the message itself stays as it was"
