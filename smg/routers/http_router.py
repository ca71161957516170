"""Callers served by HTTP workers: the caller's bytes go through, and the worker's come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from typing_extensions import override

from smg.core.errors import UnsupportedEndpointError
from smg.core.request import ReplyHead
from smg.core.words import Endpoint, Outcome, Runtime, WorkerType
from smg.resilience.clock_headers import with_overrides
from smg.routers.event_stream import EventStream
from smg.routers.judge import Judge
from smg.routers.plain_answer import EVENTS, PlainAnswer
from smg.routers.router import Router
from smg.wire.codings import unasked
from smg.wire.headers import REQUEST_ID, downstream_headers, upstream_headers
from smg.wire.splice import set_field
from smg.workers.http_worker import HttpWorker
from smg.workers.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smg.core.errors import GatewayError
    from smg.core.request import InferenceRequest, RawHeaders, Sink
    from smg.routers.settings import StreamSettings
    from smg.workers.fleet import Fleet
    from smg.workers.http_answer import HttpAnswer
    from smg.workers.lease import Lease
    from smg.workers.worker import Worker

STREAMED = frozenset({EVENTS, b"application/json"})
"""What an asked-for stream may come as; some servers cannot stream, and answer whole."""

LACKING: Final = frozenset({(Runtime.VLLM, Endpoint.GENERATE)})
"""Paths that an engine's HTTP server does not have; such a worker is not asked while others can be."""

LACKED: Final = frozenset(endpoint for _, endpoint in LACKING)


class HttpRouter(Router):
    """Narrows the fleet to its HTTP workers and passes bytes through."""

    def __init__(self, fleet: Callable[[], Fleet], streams: StreamSettings, *, gateway_auth: bool) -> None:
        self._fleet = fleet
        self._streams = streams
        self._gateway_auth = gateway_auth

    @override
    def registered(self, request: InferenceRequest) -> bool:
        return self._fleet().known(request.model, HttpWorker)

    @override
    def check(self, request: InferenceRequest) -> None:
        """Nothing more: the engine judges what it is sent, and its verdict is passed on."""

    @override
    def candidates(self, request: InferenceRequest) -> Sequence[HttpWorker]:
        ready = self._fleet().select(HttpWorker, WorkerType.REGULAR, model=request.model)
        if request.endpoint not in LACKED:
            return ready
        return [worker for worker in ready if (worker.runtime, request.endpoint) not in LACKING]

    @override
    def refusal(self, request: InferenceRequest) -> GatewayError | None:
        fleet = self._fleet().workers.values()
        workers = [worker for worker in fleet if isinstance(worker, HttpWorker) and worker.serves(request.model)]
        if all((worker.runtime, request.endpoint) in LACKING for worker in workers):
            return UnsupportedEndpointError(f"the engines of this model have no {request.endpoint.value}")
        return None

    @override
    async def dispatch(self, worker: Worker, request: InferenceRequest, sink: Sink, lease: Lease) -> None:
        assert isinstance(worker, HttpWorker)  # noqa: S101  (one of our own candidates)
        timeouts = worker.settings.timeouts
        clocks = with_overrides(timeouts, request.headers)
        watch = Watch(worker.id, clocks, worker.alarms, stream=request.stream, began_at=request.began_at, own=timeouts)
        callers_pass = worker.settings.api_key is None and not self._gateway_auth
        judge = Judge(worker, request, lease, callers_pass=callers_pass)
        headers = upstream_headers(request.headers, keyless=not callers_pass)
        own, body = _own(worker, request)
        async with worker.exchange("POST", request.path, headers, body, own=own, watch=watch) as answer:
            if answer.status >= 400:  # noqa: PLR2004
                raise await judge.refusal(answer)
            _check_head(request, answer, judge)
            head = ReplyHead(answer.status, downstream_headers(answer.headers), answer.length)
            if _is_event_stream(answer):
                await EventStream(request, answer, judge, self._streams.max_event_bytes).pass_on(head, sink, lease)
            else:
                await PlainAnswer(request, answer, judge).pass_on(head, sink)
        lease.settle(Outcome.SUCCEEDED)


def _own(worker: HttpWorker, request: InferenceRequest) -> tuple[RawHeaders, bytes]:
    """Return the header fields that are this request's alone, and its body as this worker gets it."""
    own: RawHeaders = ((REQUEST_ID, request.id.encode()),)
    if (key := worker.settings.api_key) is not None:
        own += ((b"authorization", b"Bearer " + key.encode()),)
    body = request.body
    if (name := worker.canonical(request.model)) != request.model:
        body = set_field(body, "model", msgspec.json.encode(name))
    return worker.prepare(own, body)


def _check_head(request: InferenceRequest, answer: HttpAnswer, judge: Judge) -> None:
    """Raise the error for an answer that is none by its status, its coding or its type."""
    if answer.status >= 300:  # noqa: PLR2004 - it would lead callers past the gateway, and show addresses
        raise judge.broken("the worker redirected the request")
    if answer.codings and unasked(answer.codings, request.headers):
        raise judge.broken("the worker answered in a coding that was not asked for")
    if request.stream and answer.content_type not in STREAMED:
        raise judge.broken("the worker did not answer with an event stream")


def _is_event_stream(answer: HttpAnswer) -> bool:
    return answer.content_type == EVENTS and not answer.codings
