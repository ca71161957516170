"""What every request costs on its way in: head, fields to route by, fields for the worker, and the choice of one."""

from __future__ import annotations

import json
from random import Random

import pytest

from smg.core.words import Endpoint
from smg.policies.policy import Hint
from smg.policies.table import POLICY_NAMES, build_policy
from smg.wire.guard import check_json
from smg.wire.headers import downstream_headers, request_head, upstream_headers
from smg.wire.http_head import HeadLimits, read_head
from smg.wire.routing import read_routing
from smg.wire.shapes import JsonLimits
from tests.policies.candidates import candidates

FIELDS = (
    (b"Host", b"gateway.example:30000"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"Connection", b"keep-alive"),
    (b"User-Agent", b"AsyncOpenAI/Python 3.0.0"),
    (b"X-Stainless-Lang", b"python"),
    (b"X-Stainless-Runtime", b"CPython"),
    (b"Authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"200"),
)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % field for field in FIELDS) + b"\r\n"
LIMITS = JsonLimits()


def chat(size):
    """Return a chat body of about ``size`` bytes, as clients write them."""
    turn = {"role": "user", "content": 'Tell me of "this":\n' + "some words of a prompt " * 40}
    messages = [turn] * max(1, size // len(json.dumps(turn)))
    return json.dumps({"model": "tiny", "messages": messages, "max_tokens": 64, "stream": True}).encode()


BODIES = pytest.mark.parametrize("body", [pytest.param(chat(0), id="1 KiB"), pytest.param(chat(1 << 20), id="1 MiB")])


def test_read_head(benchmark):
    """The head of a request as the official client sends it."""
    assert benchmark(read_head, HEAD, HeadLimits()).length == 200


@BODIES
def test_check_json(benchmark, body):
    """The guard of a body's depth and size."""
    benchmark(check_json, body, LIMITS)


@BODIES
def test_read_routing(benchmark, body):
    """The guard, and the few fields that are routed by."""
    assert benchmark(read_routing, Endpoint.CHAT, body, LIMITS).model == "tiny"


def test_upstream_headers(benchmark):
    """The fields that a worker gets."""
    assert len(benchmark(upstream_headers, FIELDS, keyless=True)) < len(FIELDS)


def test_request_head(benchmark):
    """The head of the request to a worker."""
    own = ((b"x-request-id", b"r" * 32),)
    made = benchmark(request_head, "POST /v1/chat/completions", b"worker:8000", FIELDS, own, length=200)

    assert made.endswith(b": 200\r\n\r\n")


def test_downstream_headers(benchmark):
    """The fields of an answer that its caller gets."""
    assert len(benchmark(downstream_headers, FIELDS)) == len(FIELDS) - 2


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_pick(benchmark, name):
    """One choice among a hundred workers."""
    policy, offered = build_policy(name, Random(1)), candidates(*range(100))

    assert benchmark(policy.pick, offered, Hint("tiny", 10)) in offered
