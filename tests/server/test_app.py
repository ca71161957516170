from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from smg.core.errors import BadFramingError
from smg.core.request import reply
from smg.core.words import Endpoint
from smg.middleware.admit import Admission
from smg.middleware.authenticate import Access, Keys
from smg.middleware.finishing import Running
from smg.middleware.settings import CallerSettings, ConcurrencySettings, LimitSettings
from smg.server.app import Parts, faults, front, routes
from smg.server.settings import ServerSettings
from smg.wire.shapes import JsonLimits
from smg.workers.registry import Registry
from tests.middleware.recording import RecordingObserver, RecordingSink, StepClock, request
from tests.workers.support import factory

JSON = ((b"content-type", b"application/json"),)
PROBES = {"/liveness", "/readiness", "/health", "/health_generate"}


async def tell(request: Any, sink: Any) -> None:
    """Answer an inference request with where it would go."""
    reply(sink, 200, f"{request.endpoint.name} {request.path} {request.model}".encode())


@pytest.fixture
async def parts() -> Any:
    registry = Registry(factory())
    yield Parts(
        settings=ServerSettings(),
        keys=Keys("k", [CallerSettings(name="c1", api_key="sk-1")]),
        limits=JsonLimits(),
        admission=Admission(LimitSettings(), (), StepClock()),
        registry=registry,
        writes=registry,
        inference=tell,
        running=Running(),
        draining=lambda: False,
        clock=StepClock(),
        observer=RecordingObserver(),
    )
    await registry.aclose()


async def _ask(parts: Any, method: Any, path: Any, *, key: Any = None, **options: Any) -> Any:
    sink = RecordingSink()
    shown = ((b"authorization", b"Bearer " + key),) if key else ()
    headers = (*options.pop("headers", ()), *shown)
    await front(parts)(request(method, path, headers=headers, **options), sink)
    return sink


async def test_nothing_but_probes_is_served_without_the_key(parts: Any) -> None:
    """Every route of the table times every method is 401 or 405 without a key, the named probes apart."""
    answers = {
        (route.template, method): (await _ask(parts, method, route.template.replace("{", "").replace("}", ""))).status
        for route in routes(parts)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
        if route.template not in PROBES
    }

    assert set(answers.values()) == {401, 405}
    assert {route.template for route in routes(parts) if route.access is Access.PUBLIC} == PROBES


async def test_key_of_a_caller_opens_all_but_administration(parts: Any) -> None:
    """Every admin route is 403 for a caller, every other one of the table is not."""
    refused = {
        (route.access, (await _ask(parts, route.method, route.template, key=b"sk-1", headers=JSON)).status)
        for route in routes(parts)
    }

    assert {access for access, status in refused if status == 403} == {Access.ADMIN}
    assert {status for access, status in refused if access is Access.ADMIN} == {403}


@pytest.mark.parametrize(
    ("path", "endpoint", "upstream"),
    [
        ("/v1/chat/completions", Endpoint.CHAT, "/v1/chat/completions"),
        ("/v1/completions", Endpoint.COMPLETIONS, "/v1/completions"),
        ("/v1/embeddings", Endpoint.EMBEDDINGS, "/v1/embeddings"),
        ("/rerank", Endpoint.RERANK, "/v1/rerank"),
        ("/v1/classify", Endpoint.CLASSIFY, "/classify"),
        ("/score", Endpoint.SCORE, "/v1/score"),
        ("/generate", Endpoint.GENERATE, "/generate"),
        ("/v1/tokenize", Endpoint.TOKENIZE, "/tokenize"),
        ("/detokenize", Endpoint.DETOKENIZE, "/detokenize"),
    ],
)
async def test_spellings_lead_to_the_engines_own_path(parts: Any, path: Any, endpoint: Any, upstream: Any) -> None:
    """Callers may write a path with or without /v1; the engine gets the one it knows, with the query."""
    sink = await _ask(parts, "POST", path, key=b"k", headers=JSON, body=b'{"model": "m"}', query="a=b")

    assert sink.body.decode() == f"{endpoint.name} {upstream}?a=b m"


async def test_who_sends_slowly_holds_no_place(parts: Any) -> None:
    """Where one may run at once and nobody wait, a request whose body is still on its way keeps nobody out."""
    limits = LimitSettings(concurrency=ConcurrencySettings(limit=1, queue_size=0))
    limited = replace(parts, admission=Admission(limits, (), StepClock()))
    here = asyncio.Event()

    async def receive() -> bytes:
        await here.wait()
        return b'{"model": "m"}'

    slow, sink = request("POST", "/v1/chat/completions", headers=(*JSON, (b"x-api-key", b"k"))), RecordingSink()
    slow.receive = receive
    task = asyncio.ensure_future(front(limited)(slow, sink))
    await asyncio.sleep(0)  # lets it begin
    quick = await _ask(limited, "POST", "/v1/completions", key=b"k", headers=JSON, body=b'{"model": "m"}')
    here.set()
    await task

    assert (quick.status, sink.status) == (200, 200)


async def test_fault_before_routing_has_all_of_an_answer(parts: Any) -> None:
    """A request that cannot be routed is stamped, recorded and answered like any other."""
    sink = RecordingSink()

    await faults(parts)(BadFramingError("no"))(request(headers=((b"x-request-id", b"r5"),)), sink)

    assert (sink.status, sink.header(b"x-request-id")) == (400, [b"r5"])
    assert len(parts.observer.events) == 1
