"""The HTTP server of an engine: routes, records, faults and errors."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from smg.core.words import Runtime
from smg.sim import http_info, http_native, http_pooling, http_text
from smg.sim.asks import RefusedError
from smg.sim.faults import HEADER, FaultHangHeadError, FaultResetError, FaultStatusError
from smg.sim.generations import CutError
from smg.sim.http_calls import Call, Endpoint, hang_head, refusal, reset

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from smg.sim.machine import Machine

MAX_BODY_BYTES = 512 * 1024 * 1024
RANK_HEADER = "x-data-parallel-rank"

COMMON: Mapping[str, Endpoint] = {
    "/v1/chat/completions": http_text.chat,
    "/v1/completions": http_text.completions,
    "/v1/embeddings": http_pooling.embeddings,
    "/v1/rerank": http_pooling.rerank,
    "/rerank": http_pooling.rerank,
    "/v1/score": http_pooling.score,
    "/v1/classify": http_pooling.classify,
    "/classify": http_pooling.classify,
    "/tokenize": http_native.tokenize,
    "/detokenize": http_native.detokenize,
}
OF_RUNTIME: Mapping[Runtime, Mapping[str, Endpoint]] = {
    Runtime.SGLANG: {
        "/generate": http_native.generate,
        "/v1/tokenize": http_native.tokenize,
        "/v1/detokenize": http_native.detokenize,
    },
    Runtime.VLLM: {"/score": http_pooling.score},
}


def application(machine: Machine) -> web.Application:
    """Return the server's application for one engine."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    for path, endpoint in {**COMMON, **OF_RUNTIME.get(machine.runtime, {})}.items():
        app.router.add_post(path, _serving(machine, endpoint))
    http_info.add_routes(app, machine)
    app.on_response_prepare.append(_like_uvicorn)
    return app


async def _like_uvicorn(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["server"] = "uvicorn"


def _serving(machine: Machine, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            return await _recorded(machine, endpoint, request)
        except RefusedError as error:
            return refusal(machine.runtime, 400, str(error))
        except FaultStatusError as error:
            return refusal(machine.runtime, error.status, "fault on request")
        except (FaultResetError, CutError, ConnectionResetError):  # the last is a caller who has left
            return reset(request)

    return serve


async def _recorded(machine: Machine, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    body = await request.read()
    request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
    with machine.ledger.track(request_id, request.path, request.raw_headers, body) as record:
        call = Call(machine, request, record, body)
        record.rank = machine.rank(_asked_rank(call))
        try:
            call.fault = await machine.meet_fault(request.headers.get(HEADER), record)
        except FaultHangHeadError:
            await hang_head(request)
        return await endpoint(call)


def _asked_rank(call: Call) -> int | None:
    """Read the rank where the runtime does: vLLM in a header, SGLang in the body."""
    if call.machine.runtime is Runtime.VLLM:
        rank = call.request.headers.get(RANK_HEADER)
        return int(rank) if rank and rank.isdecimal() else None
    return call.decode(http_native.Ranked).data_parallel_rank
