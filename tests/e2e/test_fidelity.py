"""What the proxy path leaves as it is: the caller's bytes to the worker, the worker's bytes to the caller."""

from __future__ import annotations

import gzip
import json
from contextlib import asynccontextmanager

import pytest

from smg.core.words import ConnectionMode, Runtime
from tests.e2e.gateways import engines, gateway
from tests.e2e.raw import JSON, answer, exchange, post, raw_engine, talk

PATH = "/v1/chat/completions"
OK = answer(200, b'{"object": "chat.completion"}', JSON)
ASK = b'{"model": "sim", "messages": []}'

BODIES = [
    b'{"model":"sim","messages":[{"role":"user","content":"hi"}],"a_field_nobody_knows":{"z":1,"a":[null,true]}}',
    b'{"messages":[],"temperature":1.0,"top_p":1E0,"seed":123456789012345678901234567890,"x":-0.0,"model":"sim"}',
    b'\r\n\t { "stream" : false ,"model"\n:"sim", "messages":\t[ ] } \n',
    b'{"model":"sim","messages":[{"role":"user","role":"system"}],"extra":{"a":1,"a":2}}',
    b'{"mod\\u0065l":"s\\u0069m","messages":[],"text":"\\ud83d\\ude00 \xf0\x9f\x98\x80 \\/ \\u0000"}',
    b'{"model":"sim","messages":[],"stop":null,"n":1,"max_tokens":5,"stream_options":null,"":0}',
]


@asynccontextmanager
async def proxied(*answers, worker=None, **changes):
    """Run a gateway before one raw engine."""
    async with (
        raw_engine(*(answers or (OK,))) as engine,
        gateway([{"url": engine.url, **(worker or {})}], **changes) as front,
    ):
        yield engine, front


@pytest.mark.parametrize("body", BODIES)
async def test_the_callers_bytes_reach_the_worker(body):
    """Unknown fields, number formats, key order, whitespace, escapes and nested repeats are as they were written."""
    async with proxied() as (engine, front):
        told = await exchange(front.port, post(PATH, body, JSON))

    assert told.status == 200
    assert [seen.body for seen in engine.seen] == [body]
    assert engine.seen[0].target == PATH.encode()


async def test_the_query_goes_along():
    """What stands behind the question mark reaches the worker as it was."""
    async with proxied() as (engine, front):
        await exchange(front.port, post(PATH + "?a=%2F&b=1+2", ASK, JSON))

    assert engine.seen[0].target == PATH.encode() + b"?a=%2F&b=1+2"


async def test_headers_of_the_caller_reach_the_worker():
    """Tenant and organisation fields, repeats and order pass; fields of this hop and those named by it do not."""
    sent = (
        JSON,
        b"X-Tenant-ID: t1",
        b"OpenAI-Organization: org-1",
        b"openai-project: p",
        b"X-Twice: 1",
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"x-twice: 2",
        b"User-Agent: mine/1",
        b"Accept-Encoding: gzip, br",
        b"Authorization: Bearer sk-caller",
        b"connection: x-named",
        b"X-Named: secret",
        b"Keep-Alive: 5",
        b"TE: trailers",
        b"Proxy-Authorization: Basic x",
        b"x-smg-priority: system",
    )
    async with proxied() as (engine, front):
        await exchange(front.port, post(PATH, ASK, *sent))
    [seen] = engine.seen

    passed = [tuple(line.split(b": ", 1)) for line in sent[:10]]
    names = {name.lower() for name, _ in passed}
    assert sorted(_lowered(seen.fields, names)) == sorted(_lowered(passed, names))
    assert seen.values(b"x-twice") == [b"1", b"2"]
    for name in (b"x-named", b"keep-alive", b"te", b"proxy-authorization", b"x-smg-priority"):
        assert seen.values(name) == []
    assert len(seen.values(b"host")) == 1
    assert seen.values(b"host") != [b"gateway.test"]
    assert seen.values(b"content-length") == [b"%d" % len(ASK)]


def _lowered(fields, names):
    return [(name.lower(), value) for name, value in fields if name.lower() in names]


async def test_nothing_is_added_for_a_caller_who_said_nothing():
    """The worker sees no agent, no wish for encodings and no credentials that the caller did not send."""
    async with proxied() as (engine, front):
        await exchange(front.port, post(PATH, ASK, JSON))

    assert {name.lower() for name, _ in engine.seen[0].fields} <= {
        b"host", b"content-type", b"content-length", b"x-request-id", b"connection",
    }  # fmt: skip


async def test_the_request_id_is_one_everywhere():
    """The caller's id, or a fresh one, is what the worker sees and what the caller gets back, once."""
    async with proxied() as (engine, front):
        own = await exchange(front.port, post(PATH, ASK, JSON, b"X-Request-ID: mine-1"))
        fresh = await exchange(front.port, post(PATH, ASK, JSON))
        [worker] = front.registry.fleet.workers

    assert own.values(b"x-request-id") == engine.seen[0].values(b"x-request-id") == [b"mine-1"]
    assert fresh.values(b"x-request-id") == engine.seen[1].values(b"x-request-id")
    assert len(fresh.values(b"x-request-id")[0]) >= 16
    assert own.values(b"x-smg-routed-worker-id") == [worker.encode()]


async def test_the_workers_key_replaces_the_callers():
    """A worker with a key of its own gets that key once, and nothing of the caller's."""
    async with proxied(worker={"api_key": "sk-worker"}) as (engine, front):
        await exchange(front.port, post(PATH, ASK, JSON, b"Authorization: Bearer sk-caller", b"x-api-key: sk-caller"))

    assert engine.seen[0].values(b"authorization") == [b"Bearer sk-worker"]
    assert engine.seen[0].values(b"x-api-key") == []


@pytest.mark.parametrize("field", [b"Authorization: Bearer sk-gateway", b"X-Api-Key: sk-gateway"])
async def test_the_gateways_key_goes_nowhere(field):
    """The key that callers show to the gateway is never shown to a worker."""
    async with proxied(server={"api_key": "sk-gateway"}) as (engine, front):
        assert (await exchange(front.port, post(PATH, ASK, JSON, field))).status == 200
        assert (await exchange(front.port, post(PATH, ASK, JSON))).status == 401

    assert len(engine.seen) == 1
    assert not any(b"sk-gateway" in value for _, value in engine.seen[0].fields)


async def test_headers_of_the_worker_reach_the_caller():
    """Every value comes back, two cookies stay two; fields of the worker's hop do not."""
    sent = (
        JSON,
        b"Set-Cookie: a=1; Path=/",
        b"set-cookie: b=2",
        b"X-Engine: e",
        b"Keep-Alive: timeout=5",
        b"x-request-id: engine",
    )
    async with proxied(answer(200, b"{}", *sent)) as (_, front):
        told = await exchange(front.port, post(PATH, ASK, JSON, b"x-request-id: mine"))

    assert told.values(b"set-cookie") == [b"a=1; Path=/", b"b=2"]
    assert told.values(b"x-engine") == [b"e"]
    assert told.values(b"keep-alive") == []
    assert told.values(b"x-request-id") == [b"mine"]


async def test_a_compressed_body_stays_compressed():
    """The coding and its bytes come back untouched."""
    packed = gzip.compress(b'{"object": "chat.completion"}')
    async with proxied(answer(200, packed, JSON, b"Content-Encoding: gzip")) as (_, front):
        told = await exchange(front.port, post(PATH, ASK, JSON, b"accept-encoding: gzip"))

    assert told.values(b"content-encoding") == [b"gzip"]
    assert told.body == packed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 501, 503, 529])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_engines_error_passes_as_it_is(status, stream):
    """Status, content type, body and fields are the engine's; streams too are answered by it, after any retries."""
    refused = answer(
        status, b"no: \xe2\x9c\x97 \n", b"Content-Type: text/plain; charset=x", b"Retry-After: 7", b"X-E: 1"
    )
    ask = json.dumps({"model": "sim", "messages": [], "stream": stream}).encode()
    async with proxied(refused) as (engine, front):
        told = await exchange(front.port, post(PATH, ask, JSON, b"authorization: Bearer the-callers-own"))

    assert told.status == status
    assert told.body == b"no: \xe2\x9c\x97 \n"
    assert told.values(b"content-type") == [b"text/plain; charset=x"]
    assert (told.values(b"retry-after"), told.values(b"x-e")) == ([b"7"], [b"1"])
    assert told.values(b"x-smg-error-code") == [b"upstream_rejected"]
    assert len(told.values(b"x-request-id")) == len(told.values(b"x-smg-routed-worker-id")) == 1
    assert len(engine.seen) == 1  # a second worker would have been asked, this one is not asked twice


async def test_a_stream_is_the_engines_byte_for_byte():
    """Comments, odd spacing and CRLF are passed on as they came, up to the end mark."""
    events = b': hello\n\ndata:{"a" : 1}\r\n\r\nevent: x\nid: 1\ndata: a\ndata: b\n\ndata: [DONE]\n\n: bye\n'
    chunks = (
        b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (events[:5], events[5:30], events[30:])) + b"0\r\n\r\n"
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with proxied(head + chunks) as (_, front):
        told = await exchange(front.port, post(PATH, b'{"model":"sim","messages":[],"stream":true}', JSON))

    assert told.values(b"content-type") == [b"text/event-stream; charset=utf-8"]
    assert told.body == events.removesuffix(b": bye\n")


async def test_a_simulated_engines_stream_is_passed_on_whole():
    """The same request to the engine itself and through the gateway gives the same text."""
    ask = b'{"model":"sim","messages":[{"role":"user","content":"hello"}],"stream":true,"max_tokens":20}'
    async with (
        engines((ConnectionMode.HTTP, Runtime.VLLM)) as [engine],
        gateway([engine.url]) as front,
    ):
        direct = await exchange(engine.port, post(PATH, ask, JSON))
        through = await exchange(front.port, post(PATH, ask, JSON))

    def contents(told):
        return [json.loads(event[6:])["choices"] for event in told.body.split(b"\n\n") if event.startswith(b"data: {")]

    assert contents(through) == contents(direct)
    assert through.body.endswith(b"data: [DONE]\n\n")


async def test_a_redirect_is_not_followed():
    """Where an engine points elsewhere nobody goes there, and the caller does not learn where."""
    async with proxied(answer(307, b"", b"Location: http://127.0.0.1:1/")) as (engine, front):
        told = await exchange(front.port, post(PATH, ASK, JSON))

    assert (told.status, told.values(b"location"), len(engine.seen)) == (502, [], 1)


async def test_an_alias_changes_the_model_and_nothing_else():
    """Only the value of the model's field is put in the engine's words."""
    worker = {"models": [{"id": "sim", "aliases": ["gpt-4"]}]}
    async with proxied(worker=worker) as (engine, front):
        await exchange(front.port, post(PATH, b'{ "a":1.0, "model" : "gpt-4" ,"messages":[]}', JSON))

    assert engine.seen[0].body == b'{ "a":1.0, "model" : "sim" ,"messages":[]}'


async def test_a_part_of_an_answer_never_passes_for_the_whole():
    """An engine that breaks off a long plain answer has its caller cut off, too."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n"
    async with proxied(head + b"x" * 2_000_000) as (_, front):
        told = await talk(front.port, post(PATH, ASK, JSON))

    assert len(told.partition(b"\r\n\r\n")[2]) < 3_000_000
