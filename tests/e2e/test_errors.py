"""Every error has OpenAI's shape, a code in its head, a request id, and reaches no engine that it need not."""

from __future__ import annotations

import json

import pytest
from openai import NotFoundError

from smg.core.words import ConnectionMode, LifeState, Runtime
from smg.server.lifecycle import Gateway
from tests.e2e.gateways import client, engines, gateway
from tests.e2e.raw import JSON, exchange, get, post, raw_engine
from tests.e2e.settings import settings

HTTP = (ConnectionMode.HTTP, Runtime.SGLANG)
GRPC = (ConnectionMode.GRPC, Runtime.SGLANG)
CHAT = "/v1/chat/completions"
MODES = pytest.mark.parametrize("kind", [HTTP, GRPC], ids=["http", "grpc"])


def checked(told, status, code, param=None):
    """Assert the one shape of an error, and return its message."""
    error = json.loads(told.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (told.status, error["code"], error["param"]) == (status, code, param)
    assert isinstance(error["type"], str)
    assert told.values(b"content-type") == [b"application/json"]
    assert told.values(b"x-smg-error-code") == [code.encode()]
    assert len(told.values(b"x-request-id")) == 1
    return error["message"]


def chat(**fields):
    """Return a chat request's body."""
    return json.dumps({"model": "sim", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()


CHUNKED = b"POST %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n%b\r\n\r\n" % (
    CHAT.encode(),
    JSON,
)
TOO_LARGE = "request_header_fields_too_large"
FRONT = {
    "unknown path": (get("/nope"), 404, "not_found"),
    "method": (get(CHAT), 405, "method_not_allowed"),
    "no media type": (post(CHAT, chat()), 415, "unsupported_media_type"),
    "other media type": (post(CHAT, chat(), b"content-type: text/plain"), 415, "unsupported_media_type"),
    "compressed": (post(CHAT, chat(), JSON, b"content-encoding: gzip"), 415, "unsupported_media_type"),
    "too large": (post(CHAT, chat(x="y" * 5000), JSON), 413, "payload_too_large"),
    "too large in chunks": (
        b"%b1770\r\n%b\r\n0\r\n\r\n" % (CHUNKED, b"x" * 6000),
        413,
        "payload_too_large",
    ),
    "not http": (b"BLAH\r\n\r\n", 400, "bad_request"),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "two hosts": (b"GET /health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "bad_request"),
    "two lengths": (
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        400,
        "bad_request",
    ),
    "length and chunks": (
        b"POST /health HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "bad_request",
    ),
    "broken chunk": (
        CHUNKED + b"xyz\r\n{}\r\n0\r\n\r\n",
        400,
        "bad_request",
    ),
    "long line": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414, "uri_too_long"),
    "long field": (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", 431, TOO_LARGE),
    "dots": (get("/v1/../workers"), 400, "bad_request"),
    "encoded slash": (get("/v1%2Fmodels"), 400, "bad_request"),
    "other version": (b"GET /health HTTP/2.0\r\nhost: a\r\n\r\n", 400, "bad_request"),
}


@pytest.mark.parametrize("case", FRONT)
async def test_what_is_no_proper_request_is_refused_in_the_one_shape(case):
    """From a broken first line to an unknown path, the answer looks the same and names its code."""
    sent, status, code = FRONT[case]
    async with gateway(server={"max_payload_size": 4000}) as front:
        told = await exchange(front.port, sent)

    checked(told, status, code)


BODIES = {
    "no json": (b"hello", "invalid_json", None),
    "empty": (b"", "invalid_json", None),
    "array": (b"[]", "invalid_json", None),
    "two objects": (b'{"model":"sim"}{}', "invalid_json", None),
    "not utf-8": (b'{"model":"sim","messages":[],"x":"\xff"}', "invalid_json", None),
    "surrogate": (b'{"model":"sim\xed\xa0\x80","messages":[]}', "invalid_json", None),
    "nan": (b'{"model":"sim","messages":[],"temperature":NaN}', "invalid_json", None),
    "deep": (b'{"model":"sim","messages":' + b"[" * 2000 + b"]" * 2000 + b"}", "invalid_json", None),
    "many": (b'{"model":"sim","messages":[' + b"0," * 300_000 + b"0]}", "invalid_json", None),
    "model twice": (b'{"model":"sim","messages":[],"model":"x"}', "invalid_request", "model"),
    "model twice by an escape": (b'{"model":"sim","messages":[],"mod\\u0065l":"x"}', "invalid_request", "model"),
    "stream twice": (b'{"stream":true,"model":"sim","messages":[],"stream":false}', "invalid_request", "stream"),
    "model of a wrong type": (b'{"model":["sim"],"messages":[]}', "invalid_request", "model"),
    "stream of a wrong type": (b'{"model":"sim","stream":"yes","messages":[]}', "invalid_request", "stream"),
    "n of a wrong type": (b'{"model":"sim","n":1.5,"messages":[]}', "invalid_request", "n"),
    "n out of range": (b'{"model":"sim","n":100000,"messages":[]}', "invalid_request", "n"),
    "max_tokens out of range": (b'{"model":"sim","max_tokens":-1,"messages":[]}', "invalid_request", "max_tokens"),
    "a huge number": (
        b'{"model":"sim","max_tokens":1' + b"0" * 400 + b',"messages":[]}',
        "invalid_request",
        "max_tokens",
    ),
}


@MODES
@pytest.mark.parametrize("case", BODIES)
async def test_a_bad_body_is_refused_and_not_forwarded(kind, case):
    """The answer is a 400 that names the field, whichever mode would serve it; the engine sees nothing."""
    body, code, param = BODIES[case]
    async with engines(kind) as [engine], gateway([engine.url]) as front:
        told = await exchange(front.port, post(CHAT, body, JSON))

    checked(told, 400, code, param)
    assert engine.ledger.totals.started == 0


@pytest.mark.parametrize("field", [(), (b"authorization: Bearer wrong",), (b"authorization: Basic sk-right",)])
async def test_a_missing_or_wrong_key_is_one_answer(field):
    """401 with the shape and the challenge; public routes stay open."""
    async with gateway(server={"api_key": "sk-right"}) as front:
        told = await exchange(front.port, post(CHAT, chat(), JSON, *field))
        alive = await exchange(front.port, get("/liveness"))

    checked(told, 401, "invalid_api_key")
    assert told.values(b"www-authenticate") == [b"Bearer"]
    assert alive.status == 200


@MODES
async def test_an_unknown_model_is_404_and_a_known_one_that_is_down_503(kind):
    """404 says the name is wrong; 503 says when to come back."""
    async with engines(kind) as [engine], gateway([engine.url]) as front:
        unknown = await exchange(front.port, post(CHAT, chat(model="else"), JSON))
        [worker] = front.registry.fleet.workers.values()
        worker.move(LifeState.UNHEALTHY, "test")
        down = await exchange(front.port, post(CHAT, chat(), JSON))

    checked(unknown, 404, "model_not_found", "model")
    checked(down, 503, "no_available_workers")
    assert [int(value) for value in down.values(b"retry-after")] == [1]
    assert engine.ledger.totals.started == 0


@MODES
async def test_workers_that_are_still_starting_are_waited_for(kind):
    """While a worker has not told its models, a request without a model is told to come back, not that it is wrong."""
    async with Gateway(settings([f"{kind[0].value}://127.0.0.1:1"])) as front:
        told = await exchange(front.port, post("/generate", b'{"text":"a"}', JSON))

    checked(told, 503, "no_available_workers")
    assert told.values(b"retry-after")


@MODES
async def test_a_dead_worker_is_503(kind):
    """An engine that is gone but not yet found out is as good as none: come back later."""
    async with (
        engines(kind) as [engine],
        gateway([engine.url], worker_defaults={"health": {"check_interval_secs": 99}}) as front,
    ):
        await engine.kill()
        told = await exchange(front.port, post(CHAT, chat(), JSON))

    checked(told, 503, "no_available_workers")
    assert told.values(b"retry-after") == [b"1"]
    assert str(engine.port).encode() not in told.body


@MODES
@pytest.mark.parametrize("stream", [False, True])
async def test_a_late_worker_is_504(kind, stream):
    """An engine that does not answer within the request's time is late, not broken."""
    slow = {"timeouts": {"first_byte_secs": 0.3, "first_token_secs": 0.3}}
    async with engines(kind) as [engine], gateway([engine.url], worker_defaults=slow) as front:
        engine.faults.set("stall")
        told = await exchange(front.port, post(CHAT, chat(stream=stream), JSON))
        await engine.ledger.until(lambda ledger: ledger.totals.open == 0)

    checked(told, 504, "upstream_first_byte_timeout")


@MODES
async def test_a_stream_that_breaks_ends_in_one_error_event(kind):
    """After its head a stream is ended by an event in the one shape, and not by the end mark."""
    async with engines(kind) as [engine], gateway([engine.url]) as front:
        engine.faults.set("cut:3")
        told = await exchange(front.port, post(CHAT, chat(stream=True, max_tokens=9, ignore_eos=True), JSON))

    *_, last = told.body.strip().split(b"\n\n")
    assert told.status == 200
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_stream_broken"
    assert b"[DONE]" not in told.body


async def test_what_is_no_http_answer_is_502():
    """An engine that speaks something else is an upstream failure, and none of its bytes get out."""
    async with raw_engine(b"\x00\x01secret garbage\r\n\r\n") as engine, gateway([engine.url]) as front:
        told = await exchange(front.port, post(CHAT, chat(), JSON))

    checked(told, 502, "upstream_failed")
    assert b"secret" not in told.body


async def test_the_sdk_reads_a_model_with_a_slash():
    """The SDK escapes the slash, curl does not; both read the same model, and one that is not there is 404."""
    async with (
        engines((ConnectionMode.HTTP, Runtime.VLLM)) as [engine],
        gateway([{"url": engine.url, "models": [{"id": "org/model"}]}]) as front,
        client(front) as openai,
    ):
        assert (await openai.models.retrieve("org/model")).id == "org/model"
        assert json.loads((await exchange(front.port, get("/v1/models/org/model"))).body)["id"] == "org/model"
        with pytest.raises(NotFoundError):
            await openai.models.retrieve("org/other")
