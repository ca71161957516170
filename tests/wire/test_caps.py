"""Tests of smg.wire.caps; those of the fields that stand at the top level are of smg.wire.routing."""

from __future__ import annotations

import pytest

from smg.core.errors import InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.routing import read_routing
from smg.wire.shapes import MAX_ANSWERS, MAX_TOKENS, JsonLimits, RoutingFields

LIMITS = JsonLimits(max_stop=2, max_top_logprobs=5)


def generate(fields: str) -> RoutingFields:
    """Read a request to ``/generate``."""
    return read_routing(Endpoint.GENERATE, b'{"text":"a","stream":true,%b}' % fields.encode(), LIMITS)


@pytest.mark.parametrize(
    "fields",
    [
        f'"sampling_params":{{"max_new_tokens":{MAX_TOKENS},"n":{MAX_ANSWERS},"stop":["a","b"]}}',
        '"sampling_params":{"max_new_tokens":0,"n":null,"stop":"a,b,c,d"}',
        '"sampling_params":{"temperature":7,"stop":{"a":[1,2,3,4]}}',
        '"sampling_params":[{"n":1},{"stop":["a","b"]}]',
        '"sampling_params":[]',
        '"sampling_params":null,"top_logprobs_num":null',
        '"top_logprobs_num":5',
        '"top_logprobs_num":[0,5]',
        '"top_logprobs_num":[]',
        '"n":-1,"max_tokens":-1,"top_logprobs":-1',
    ],
)
def test_what_is_within_the_caps_passes(fields: str) -> None:
    """The cap itself still passes, null is like absent, and fields nobody reads here are for the worker to judge."""
    assert generate(fields) == RoutingFields(None, stream=True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (f'"sampling_params":{{"max_new_tokens":{MAX_TOKENS + 1}}}', "sampling_params.max_new_tokens"),
        ('"sampling_params":{"max_new_tokens":-1}', "sampling_params.max_new_tokens"),
        ('"sampling_params":{"max_new_tokens":1e999}', "sampling_params.max_new_tokens"),
        (f'"sampling_params":{{"n":{MAX_ANSWERS + 1}}}', "sampling_params.n"),
        ('"sampling_params":{"n":"1"}', "sampling_params.n"),
        ('"sampling_params":[{},{"n":0}]', "sampling_params.n"),
        ('"sampling_params":{"stop":["a","b","c"]}', "sampling_params.stop"),
        ('"sampling_params":[{"stop":"a"},{"stop":["a","b","c"]}]', "sampling_params.stop"),
        ('"sampling_params":7', "sampling_params"),
        ('"sampling_params":[7]', "sampling_params"),
        ('"sampling_params":{},"sampling_params":{}', "sampling_params"),
        ('"top_logprobs_num":6', "top_logprobs_num"),
        ('"top_logprobs_num":-1', "top_logprobs_num"),
        ('"top_logprobs_num":[0,6]', "top_logprobs_num"),
        ('"top_logprobs_num":[-1,5]', "top_logprobs_num"),
        ('"top_logprobs_num":"5"', "top_logprobs_num"),
    ],
)
def test_more_than_a_cap_allows_is_refused_by_name(fields: str, param: str) -> None:
    """The caller learns which field, one of many, wherever it stands; never what stood in it."""
    with pytest.raises(InvalidRequestError) as caught:
        generate(fields)

    assert caught.value.param == param
    assert caught.value.message.startswith((param, f"the field {param}"))
    assert "$" not in caught.value.message


def test_other_endpoints_have_no_such_fields() -> None:
    """What a chat calls sampling_params is the worker's to judge."""
    body = b'{"sampling_params":{"n":0},"top_logprobs_num":-1}'

    assert read_routing(Endpoint.CHAT, body, LIMITS) == RoutingFields(None)
