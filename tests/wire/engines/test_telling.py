"""Small readers of what engines tell."""

from __future__ import annotations

import json
import math

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from smg.stubs import sglang_scheduler_pb2 as pb
from smg.wire.engines.telling import arguments, as_dict, ids, instant, positive, sampling_defaults


@pytest.mark.parametrize(
    "document",
    [
        *("", "no json", "[1]", "null", '{"top_p":"0.5"}', '{"top_p":NaN}', '{"top_p":true}'),
        *('{"top_p":' + "9" * 400 + "}", "[" * 2_000),
    ],
    ids=str.__len__,
)
def test_odd_defaults_are_left_out(document: str) -> None:
    """Defaults that are no JSON object, or no number, are as if not told."""
    assert sampling_defaults(document) == {}


def test_later_defaults_go_first() -> None:
    """An operator's preference overrides the model's own."""
    assert sampling_defaults('{"top_p":0.5,"top_k":1}', '{"top_p":0.6}') == {"top_p": 0.6, "top_k": 1.0}


@pytest.mark.parametrize(
    ("values", "number"),
    [
        *(((0, 5), 5), ((None, 2.0), 2), ((True, "7"), None), ((), None)),
        *(((math.inf, 7), 7), ((math.nan, 1e300, 2**31), None), ((-1, 2**31 - 1), 2**31 - 1)),
    ],
)
def test_positive_takes_the_first_number(values: tuple[object, ...], number: int | None) -> None:
    """Zero, nothing, flags, texts and what is larger than any engine are no sizes."""
    assert positive(*values) == number


def test_message_becomes_json() -> None:
    """Field names stay the protocol's, and numbers that JSON lacks become text at any depth."""
    message = pb.GetServerInfoResponse(sglang_version="0.5")
    message.server_args.update({"a": {"b": [float("inf"), 1]}, "c": float("nan"), "d": None})
    told = json.loads(json.dumps(as_dict(message), allow_nan=False))
    assert told == {"sglang_version": "0.5", "server_args": {"a": {"b": ["inf", 1]}, "c": "nan", "d": None}}
    assert message.server_args["c"] != "nan", "the message itself stays as it was"


def test_a_time_that_no_calendar_has_is_left_out() -> None:
    """The rest of what the engine tells is told on."""
    message = pb.GetServerInfoResponse(sglang_version="0.5", start_time=Timestamp(seconds=1 << 60))
    assert as_dict(message) == {"sglang_version": "0.5"}
    assert message.HasField("start_time"), "the message itself stays as it was"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1_700_000_000, "2023-11-14T22:13:20Z"), (1 << 60, str(1 << 60)), (-(1 << 60), str(-(1 << 60)))],
)
def test_an_instant_is_text_whatever_it_is(seconds: int, text: str) -> None:
    """It has to tell one run from the next, no more."""
    assert instant(Timestamp(seconds=seconds)) == text


def test_arguments_without_a_value_are_left_out() -> None:
    """A Struct may hold names that were never given anything."""
    struct = Struct(fields={"unset": Value(), "dp_size": Value(number_value=2), "none": Value(null_value=0)})  # type: ignore[arg-type]
    assert arguments(struct) == {"dp_size": 2, "none": None}


def test_ids_are_not_negative() -> None:
    """An engine that has no such token may say -1."""
    assert ids([-1, 0, 2]) == (0, 2)
