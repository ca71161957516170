"""Tests of smg.wire.routing."""

from __future__ import annotations

import pytest

from smg.core.errors import InvalidJsonError, InvalidRequestError
from smg.core.words import Endpoint
from smg.wire.routing import read_routing
from smg.wire.shapes import JsonLimits, RoutingFields

LIMITS = JsonLimits()


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (Endpoint.CHAT, b"{}", RoutingFields(None)),
        (Endpoint.CHAT, b'{"model":"m","stream":true}', RoutingFields("m", stream=True)),
        (Endpoint.CHAT, b'{"model":null,"stream":null,"n":null,"max_tokens":null}', RoutingFields(None)),
        (Endpoint.CHAT, b'{"max_tokens":7,"n":2}', RoutingFields(None)),
        (Endpoint.CHAT, b'{"max_tokens":7,"max_completion_tokens":9}', RoutingFields(None)),
        (Endpoint.CHAT, b'{"mod\\u0065l":"m"}', RoutingFields("m")),
        (Endpoint.CHAT, b'{"n":128,"max_tokens":100000000}', RoutingFields(None)),
        (Endpoint.COMPLETIONS, b'{"max_tokens":0,"max_completion_tokens":-3}', RoutingFields(None)),
        (Endpoint.GENERATE, b'{"stream":true,"n":-1}', RoutingFields(None, stream=True)),
        (Endpoint.EMBEDDINGS, b'{"model":"m","stream":7,"n":[]}', RoutingFields("m")),
        (Endpoint.CHAT, b'{"model":"\xc3\xa9 model/v1"}', RoutingFields("\u00e9 model/v1")),
        (Endpoint.CHAT, b'{"seed":1e999,"x":' + b"9" * 5_000 + b"}", RoutingFields(None)),
        (Endpoint.CHAT, b'{"metadata":{"a":1,"a":2,"model":"x"},"model":"m"}', RoutingFields("m")),
    ],
)
def test_fields_are_read_as_the_endpoint_knows_them(endpoint: Endpoint, body: bytes, expected: object) -> None:
    """Absent and null are alike; fields that an endpoint does not have are not looked at."""
    assert expected == read_routing(endpoint, body, LIMITS)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":1}', "model"),
        (b'{"model":["m"]}', "model"),
        (b'{"model":"' + b"m" * 257 + b'"}', "model"),
        (b'{"model":"a\\r\\nX: y"}', "model"),
        (b'{"model":"a\\u0000"}', "model"),
        (b'{"model":"a\\u0085"}', "model"),
        (b'{"stream":"true"}', "stream"),
        (b'{"stream":1}', "stream"),
        (b'{"max_tokens":0}', "max_tokens"),
        (b'{"max_tokens":-1}', "max_tokens"),
        (b'{"max_tokens":-0}', "max_tokens"),
        (b'{"max_tokens":1000000000}', "max_tokens"),
        (b'{"max_tokens":12345678901234567890}', "max_tokens"),
        (b'{"max_tokens":' + b"9" * 400 + b"}", "max_tokens"),
        (b'{"max_tokens":' + b"9" * 4_301 + b"}", "max_tokens"),
        (b'{"max_tokens":1e999}', "max_tokens"),
        (b'{"max_tokens":1e-400}', "max_tokens"),
        (b'{"max_tokens":1.5}', "max_tokens"),
        (b'{"max_completion_tokens":"9"}', "max_completion_tokens"),
        (b'{"n":0}', "n"),
        (b'{"n":129}', "n"),
        (b'{"n":true}', "n"),
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model":"a","mod\\u0065l":"b"}', "model"),
        (b'{"stream":true,"x":1,"stream":false}', "stream"),
        (b'{"max_tokens":1,"max_tokens":2}', "max_tokens"),
        (b'{"messages":[],"messages":[]}', "messages"),
        (b'{"seed":1,"seed":1}', None),
        (b'{"top_logprobs":1001}', "top_logprobs"),
        (b'{"top_logprobs":-1}', "top_logprobs"),
        (b'{"top_logprobs":true}', "top_logprobs"),
    ],
)
def test_wrong_fields_are_refused_by_name(body: bytes, param: str | None) -> None:
    """The caller learns which field, never what stood in it."""
    with pytest.raises(InvalidRequestError) as caught:
        read_routing(Endpoint.CHAT, body, LIMITS)

    assert caught.value.param == param
    assert caught.value.code == "invalid_request"
    assert "$" not in caught.value.message


SHORT = JsonLimits(max_messages=3, max_tools=2, max_stop=1, max_top_logprobs=5)


@pytest.mark.parametrize(
    ("field", "fits", "beyond"),
    [
        ("messages", b"[1,[2,2,2,2],3]", b"[1,2,3,4]"),
        ("tools", b'[{"a":",,,"},2]', b"[ 1 , 2 , 3 ]"),
        ("stop", b'["a,b,c,d"]', b'["a","b"]'),
        ("top_logprobs", b"5", b"6"),
    ],
)
def test_more_than_a_limit_allows_is_refused_by_name(field: str, fits: bytes, beyond: bytes) -> None:
    """The limit itself still passes; only the list's own entries count, whatever stands in them."""
    body = b'{"' + field.encode() + b'":%b,"x":[1,2,3,4,5]}'
    read_routing(Endpoint.CHAT, body % fits, SHORT)

    with pytest.raises(InvalidRequestError, match=f"^{field} ") as caught:
        read_routing(Endpoint.CHAT, body % beyond, SHORT)
    assert caught.value.param == field


@pytest.mark.parametrize("value", [b'"a,b,c,d,e"', b'{"a":1,"b":2,"c":3,"d":4}', b"null", b"7"])
def test_what_is_no_list_is_left_to_the_worker(value: bytes) -> None:
    """A stop string is no list, and what else may stand there is not the gateway's to say."""
    body = b'{"stop":%b,"messages":%b,"tools":%b}' % (value, value, value)

    assert read_routing(Endpoint.CHAT, body, SHORT) == RoutingFields(None)


def test_completions_count_alternatives_by_their_own_name() -> None:
    """What a chat calls top_logprobs, completions call logprobs; elsewhere neither is looked at."""
    with pytest.raises(InvalidRequestError, match="logprobs must be 0 to 5"):
        read_routing(Endpoint.COMPLETIONS, b'{"logprobs":6}', SHORT)

    assert read_routing(Endpoint.CHAT, b'{"logprobs":true}', SHORT) == RoutingFields(None)
    assert read_routing(Endpoint.EMBEDDINGS, b'{"logprobs":6,"top_logprobs":6}', SHORT) == RoutingFields(None)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 100_000])
def test_bodies_that_are_not_one_json_object_are_refused(body: bytes) -> None:
    """Guard and decoder speak with one code."""
    with pytest.raises(InvalidJsonError):
        read_routing(Endpoint.CHAT, body, LIMITS)
