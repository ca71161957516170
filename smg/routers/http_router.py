"""Callers served by HTTP workers: the caller's bytes go through, and the worker's come back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
from typing_extensions import override

from smg.core.errors import Retry, UnsupportedEndpointError, UpstreamError, UpstreamRejectedError
from smg.core.request import ReplyHead
from smg.core.words import Endpoint, Outcome, Runtime, WorkerType
from smg.resilience.backoff import parse_retry_after
from smg.resilience.clock_headers import with_overrides
from smg.routers.event_stream import EventStream
from smg.routers.router import Router
from smg.wire.headers import downstream_headers, upstream_headers
from smg.wire.splice import set_field
from smg.workers.http_worker import HttpWorker
from smg.workers.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from smg.core.errors import GatewayError
    from smg.core.request import InferenceRequest, Sink
    from smg.routers.settings import StreamSettings
    from smg.workers.fleet import Fleet
    from smg.workers.http_exchange import HttpAnswer
    from smg.workers.lease import Lease
    from smg.workers.worker import Worker

WHOLE_BYTES = 1 << 20
"""A plain answer up to this size is read whole before the caller sees its head, so that a worker which
breaks off in it can be replaced."""

LACKING = frozenset({(Runtime.VLLM, Endpoint.GENERATE)})
"""Paths that an engine's HTTP server does not have; such a worker is not asked while others can be."""


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
        headers, body = self._outgoing(worker, request)
        clocks = with_overrides(worker.settings.timeouts, request.headers)
        watch = Watch(worker.id, clocks, stream=request.stream, began_at=request.began_at)
        async with worker.exchange("POST", request.path, headers, body, watch=watch) as answer:
            if answer.status >= 400:  # noqa: PLR2004
                raise await _rejection(worker, answer, lease)
            if answer.status >= 300:  # noqa: PLR2004 - it would lead callers past the gateway, and show addresses
                raise UpstreamError(worker.id, "the worker redirected the request", retry=Retry.IF_IDEMPOTENT)
            head = ReplyHead(answer.status, downstream_headers(answer.headers), answer.length)
            if _is_event_stream(answer):
                await EventStream(worker, answer, self._streams.max_event_bytes).pass_on(head, sink, lease)
            else:
                await _relay(answer, head, sink)
        lease.settle(Outcome.SUCCEEDED)

    def _outgoing(self, worker: HttpWorker, request: InferenceRequest) -> tuple[Sequence[tuple[str, str]], bytes]:
        headers = upstream_headers(
            request.headers, request_id=request.id, api_key=worker.settings.api_key, gateway_auth=self._gateway_auth
        )
        body = request.body
        if (name := worker.canonical(request.model)) != request.model:
            body = set_field(body, "model", msgspec.json.encode(name))
        return worker.prepare(headers, body)


async def _rejection(worker: HttpWorker, answer: HttpAnswer, lease: Lease) -> UpstreamRejectedError:
    retryable = answer.status in worker.settings.retry.retryable_status_codes
    if not retryable:
        lease.settle(Outcome.SUCCEEDED)  # the worker did right to refuse
    return UpstreamRejectedError(
        worker.id,
        upstream_status=answer.status,
        headers=downstream_headers(answer.headers),
        body=await answer.read(WHOLE_BYTES),
        retry=Retry.IF_IDEMPOTENT if retryable else Retry.NEVER,
        retry_after_secs=_retry_after_secs(answer),
    )


def _retry_after_secs(answer: HttpAnswer) -> float | None:
    """Return the seconds the worker asks to wait; a date is not followed, since clocks of machines differ."""
    asked = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
    return parse_retry_after(asked, 0.0) if asked.isdigit() else None


def _is_event_stream(answer: HttpAnswer) -> bool:
    fields = {name.lower(): value.lower() for name, value in answer.headers}
    plain = fields.get(b"content-encoding", b"identity") == b"identity"
    return plain and fields.get(b"content-type", b"").startswith(b"text/event-stream")


async def _relay(answer: HttpAnswer, head: ReplyHead, sink: Sink) -> None:
    chunks = answer.chunks()
    answer.watch.output()
    enough = WHOLE_BYTES if (answer.length or 0) <= WHOLE_BYTES else 1
    begun, ended = await _begin(chunks, enough)
    sink.start(dataclasses.replace(head, length=len(begun)) if ended else head)
    sink.write(begun)
    if not ended:
        await _pass_on(chunks, sink, answer.watch)
    sink.finish()


async def _begin(chunks: AsyncIterator[bytes], enough: int) -> tuple[bytes, bool]:
    """Read the body, or ``enough`` of it; return what came, and whether it has ended."""
    begun: list[bytes] = []
    size = 0
    async for chunk in chunks:
        begun.append(chunk)
        size += len(chunk)
        if size >= enough:
            return b"".join(begun), False
    return b"".join(begun), True


async def _pass_on(chunks: AsyncIterator[bytes], sink: Sink, watch: Watch) -> None:
    await watch.drained(sink)
    async for chunk in chunks:
        sink.write(chunk)
        await watch.drained(sink)
